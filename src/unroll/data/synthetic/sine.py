"""Sine waves: to continue, to forecast, or to classify by their frequency."""

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
from unroll.data.samples import common_length
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticData
from unroll.spec import MOST_TARGET_STEPS, Alignment, DataSpec, Kind, Signature


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
class SineConfig(SplitSizesConfig):
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
        SplitSizesConfig.__post_init__(self)
        self.require_positive("min_length", "features", "horizon")
        require(self, "horizon", self.horizon <= MOST_TARGET_STEPS, f"{MOST_TARGET_STEPS:,} or less")
        require(self, "steps_per_unit", 0 < self.steps_per_unit < math.inf, "a positive number")
        require(self, "min_frequency", 0 < self.min_frequency < math.inf, "a positive number")
        require(self, "phase", self.phase is None or math.isfinite(self.phase), "a number, or null (random)")
        require(self, "min_amplitude", 0 <= self.min_amplitude < math.inf, "zero or a positive number")
        require(self, "noise", 0 <= self.noise < math.inf, "zero or a positive number")
        self.require_kinds("classes")
        self.require_ranges("length", "frequency", "amplitude")
        if self.task is SineTask.frequency:
            low = self.min_frequency
            require(
                self, "max_frequency", self.max_frequency > low, f"above min_frequency={low} to be told apart"
            )

    def longest(self) -> int:
        return (2 * self.max_length + self.horizon) * self.features  # with a target at each step, at most

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
class Sine(SyntheticData[tuple[Tensor, int]]):
    """Inputs are waves (T, F). Values to predict are as observed, noise included."""

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

    def make_spec(self) -> DataSpec:
        config = self.config
        names = tuple(f"x{feature + 1}" for feature in range(config.features))
        inputs = DataSpec(
            signature=config.signature(),
            input_size=config.features,
            target_size=config.features,
            length=common_length([config.min_length, config.max_length]),
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
            naive_error=self._naive_error(),
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

    def draw(self, random: np.random.Generator, split: str, index: int) -> tuple[Tensor, int]:
        """A wave, with the steps to predict (T + k, F) unless its frequency is to be told; and its class."""
        config = self.config
        length = int(random.integers(config.min_length, config.max_length + 1))
        if config.task is SineTask.frequency:
            label = int(random.integers(config.classes))
            return self._wave(random, length, self._frequencies()[label]), label
        frequency = random.uniform(config.min_frequency, config.max_frequency, size=config.features)
        return self._wave(random, length + self._steps_ahead(), frequency), 0

    def sample(self, index: int, item: tuple[Tensor, int]) -> Sample:
        wave, label = item
        length = len(wave) - self._steps_ahead()
        match self.config.task:
            case SineTask.frequency:
                return Sample(index, wave, torch.tensor(label))
            case SineTask.one_ahead:
                return Sample(index, wave[:length], wave[1:])
            case SineTask.seq2seq:
                return Sample(index, wave[:length], wave[length:])
            case _:
                return Sample(index, wave[:length], wave[length:].flatten())

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

    def _naive_error(self) -> tuple[float, ...]:
        """The mean absolute change of each feature from one step to the next, in training."""
        changes = torch.cat([wave.diff(dim=0) for wave, _ in self.train_items])
        return tuple(changes.abs().mean(dim=0).tolist())
