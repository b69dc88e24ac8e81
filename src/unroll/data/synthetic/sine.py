"""Seeded sine waves: to continue, to forecast, or to tell apart by their frequency."""

import dataclasses
import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.module import Samples
from unroll.data.synthetic.base import SyntheticConfig, SyntheticData
from unroll.spec import Alignment, DataSpec, Kind, Signature


class SineTask(Enum):
    """What the target is, given a wave of F features, T steps long.

    next: the value after the last (F,). forecast: the next k values, step by step (k · F,). one_ahead: at
    each step the next value (T, F). frequency: which of several frequencies it has (). seq2seq: the next k
    values as a sequence (k, F).
    """

    next = "next"
    forecast = "forecast"
    one_ahead = "one_ahead"
    frequency = "frequency"
    seq2seq = "seq2seq"


@register("data", "sine")
@dataclass(kw_only=True, slots=True)
class SineConfig(SyntheticConfig):
    """Config of sine waves: amplitude · sin(2π · frequency · step / steps_per_unit + phase) + noise.

    Each feature of each sequence is a wave of its own: its frequency and its amplitude are uniform in their
    ranges, its phase too unless it is given; but all features of a sequence share one frequency where it is
    to be told. Lengths are uniform.

    Attributes:
        task: what the target is; the next value, the next `horizon` values at once (forecast) or one by one
            (seq2seq), at each step the next value (one_ahead), or which frequency the wave has
        min_length: the shortest sequence, in steps
        max_length: the longest sequence, in steps
        steps_per_unit: steps in a unit of time
        min_frequency: the lowest frequency, in cycles per unit
        max_frequency: the highest frequency, in cycles per unit
        phase: the phase in radians; null is random
        min_amplitude: the smallest amplitude
        max_amplitude: the largest amplitude
        noise: standard deviation of what is added to each step
        features: waves side by side
        horizon: values to forecast, of the tasks forecast and seq2seq
        classes: frequencies to tell apart, of the task frequency; from the lowest to the highest, evenly
            spaced
    """

    name: str = "sine"
    task: SineTask = SineTask.next
    min_length: int = 25
    max_length: int = 25
    steps_per_unit: float = 20.0
    min_frequency: float = 0.5
    max_frequency: float = 2.0
    phase: float | None = None
    min_amplitude: float = 0.5
    max_amplitude: float = 1.0
    noise: float = 0.0
    features: int = 1
    horizon: int = 10
    classes: int = 4
    train_size: int = 5_000
    valid_size: int = 500
    test_size: int = 1_000

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        for key in ("min_length", "features", "horizon"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        require(self, "steps_per_unit", 0 < self.steps_per_unit < math.inf, "a positive number")
        require(self, "min_frequency", 0 < self.min_frequency < math.inf, "a positive number")
        require(self, "phase", self.phase is None or math.isfinite(self.phase), "a number, or null (random)")
        require(self, "min_amplitude", 0 <= self.min_amplitude < math.inf, "zero or a positive number")
        require(self, "noise", 0 <= self.noise < math.inf, "zero or a positive number")
        require(self, "classes", self.classes >= 2, "2 or more")
        for quantity in ("length", "frequency", "amplitude"):
            low, high = getattr(self, f"min_{quantity}"), getattr(self, f"max_{quantity}")
            require(self, f"max_{quantity}", low <= high < math.inf, f"min_{quantity}={low} or more")
        if self.task is SineTask.frequency:
            low = self.min_frequency
            require(
                self, "max_frequency", self.max_frequency > low, f"above min_frequency={low} to be told apart"
            )

    def signature(self) -> Signature:
        match self.task:
            case SineTask.frequency:
                return Signature(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)
            case SineTask.one_ahead:
                return Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.STEP)
            case SineTask.seq2seq:
                return Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.UNALIGNED)
            case _:
                return Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE)


@builds(SineConfig)
class Sine(SyntheticData):
    """Waves (T, F), and what follows them. Targets are values as observed, noise included."""

    config: SineConfig

    @property
    def description(self) -> str:
        config = self.config
        noise = f", noise {config.noise:g}" if config.noise else ""
        match config.task:
            case SineTask.next:
                return f"sine, the next value{noise}"
            case SineTask.one_ahead:
                return f"sine, the next value at each step{noise}"
            case SineTask.frequency:
                return f"sine, which of {config.classes} frequencies{noise}"
            case SineTask.forecast | SineTask.seq2seq:
                return f"sine, the next {config.horizon} values{noise}"

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        spec, splits = SyntheticData.load(self)
        if spec.target_inputs:
            spec = dataclasses.replace(spec, naive_error=self._naive_error(splits["train"]))
        return spec, splits

    def describe(self) -> DataSpec:
        config = self.config
        names = tuple(f"x{feature + 1}" for feature in range(config.features))
        inputs = DataSpec(
            signature=config.signature(),
            input_size=config.features,
            target_size=config.features,
            length=config.min_length if config.min_length == config.max_length else 0,
            input_names=names,
        )
        if config.task is SineTask.frequency:
            classes = tuple(f"{frequency:g}" for frequency in self._frequencies())
            return dataclasses.replace(inputs, target_size=config.classes, target_vocabulary=classes)
        forecast = dataclasses.replace(
            inputs,
            target_names=names,
            target_inputs=tuple(range(config.features)),
            horizon=self._steps_ahead(),
        )
        match config.task:
            case SineTask.forecast:
                steps = range(1, config.horizon + 1)
                return dataclasses.replace(
                    forecast,
                    target_size=config.horizon * config.features,
                    target_names=tuple(f"{name}+{step}" for step in steps for name in names),
                )
            case SineTask.seq2seq:
                return dataclasses.replace(forecast, max_target_length=config.horizon)
            case _:
                return forecast

    def sample(self, split: int, index: int) -> Sample:
        config = self.config
        random = self.random(split, index)
        length = int(random.integers(config.min_length, config.max_length + 1))
        ahead = self._steps_ahead()
        if config.task is SineTask.frequency:
            label = int(random.integers(config.classes))
            frequency = self._frequencies()[label]
            return Sample(index, self._wave(random, length, frequency), torch.tensor(label))
        frequency = random.uniform(config.min_frequency, config.max_frequency, size=config.features)
        wave = self._wave(random, length + ahead, frequency)
        inputs, future = wave[:length], wave[length:]
        match config.task:
            case SineTask.one_ahead:
                return Sample(index, inputs, wave[1:])
            case SineTask.seq2seq:
                return Sample(index, inputs, future)
            case _:
                return Sample(index, inputs, future.flatten())

    def _wave(
        self, random: np.random.Generator, length: int, frequency: np.ndarray | float
    ) -> Float[Tensor, "time features"]:
        config = self.config
        phase = config.phase if config.phase is not None else random.uniform(0, 2 * np.pi, config.features)
        amplitude = random.uniform(config.min_amplitude, config.max_amplitude, size=config.features)
        time = np.arange(length)[:, None] / config.steps_per_unit
        wave = amplitude * np.sin(2 * np.pi * frequency * time + phase)
        noise = config.noise * random.standard_normal(wave.shape)
        return torch.from_numpy(wave + noise).float()

    def _steps_ahead(self) -> int:
        return self.config.horizon if self.config.task in (SineTask.forecast, SineTask.seq2seq) else 1

    def _frequencies(self) -> np.ndarray:
        return np.linspace(self.config.min_frequency, self.config.max_frequency, self.config.classes)

    def _naive_error(self, train: Samples) -> tuple[float, ...]:
        """The mean absolute change from one step to the next, of each feature."""
        changes = []
        for sample in train.samples:
            assert sample.targets is not None
            known = sample.inputs[:1] if self.config.task is SineTask.one_ahead else sample.inputs
            changes.append(torch.cat([known, sample.targets.view(-1, self.config.features)]).diff(dim=0))
        return tuple(torch.cat(changes).abs().mean(dim=0).tolist())
