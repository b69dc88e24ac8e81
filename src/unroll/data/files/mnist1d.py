"""MNIST-1D: ten digits as signals of 40 steps, made by the package `mnist1d`."""

import importlib
import random
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from unroll.config.components import DataConfig
from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.module import SequenceDataModule
from unroll.data.samples import Samples
from unroll.errors import MissingEnvironmentError
from unroll.spec import Alignment, DataSpec, Kind, Signature

STEPS = 40

DIGITS = tuple("0123456789")


@register("data", "mnist1d")
@dataclass(kw_only=True, slots=True)
class MNIST1DConfig(DataConfig):
    """Config of MNIST-1D.

    Attributes:
        shuffled: whether the steps of all signals stand in one random order, so that no place tells of its
            neighbours
        signal_seed: seed of the signals and of that order; 42 makes those of the paper
        valid_size: signals of the 4,000 to train on that are held out to validate on
    """

    trained: ClassVar[int] = 4000
    """The signals that the paper trains on, of 5,000."""

    name: str = "mnist1d"
    shuffled: bool = False
    signal_seed: int = 42
    valid_size: int = 400

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        require(
            self, "valid_size", 1 <= self.valid_size < self.trained, f"1 or more, and below {self.trained}"
        )
        require(self, "signal_seed", 0 <= self.signal_seed < 2**32, "0 or more, and below 2^32")

    def signature(self) -> Signature:
        return Signature(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)


@builds(MNIST1DConfig)
class MNIST1D(SequenceDataModule):
    """Inputs (40, 1) are the shape of a digit, padded, scaled, moved, sheared and noisy; the target () is it.

    Values have mean 0 and standard deviation 1 over all signals. Chance is 1 / 10.

    From Greydanus & Kobak 2024, "Scaling Down Deep Learning with MNIST-1D" (arXiv:2011.14439). The package's
    generator makes the signals here, with the arguments and the seed of the paper, and downloads nothing.
    Full: 4,000 signals to train on, 1,000 to test on. Their recurrent model is a GRU of both directions with
    hidden size 6 whose output layer reads the states of all steps; the models here pool them. The paper holds
    nothing out; here validation takes 400 signals of training. It is small enough for no reduced form.
    """

    config: MNIST1DConfig

    @property
    def description(self) -> str:
        return f"MNIST-1D, {'shuffled' if self.config.shuffled else 'ordered'} (chance 1/10)"

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        signals, digits = make_signals(self.config.signal_seed, shuffled=self.config.shuffled)
        spec = DataSpec(
            signature=self.config.signature(),
            input_size=1,
            target_size=len(DIGITS),
            length=STEPS,
            target_vocabulary=DIGITS,
            input_names=("signal",),
        )
        trained = self.config.trained
        held_out = trained - self.config.valid_size
        parts = {
            "train": range(held_out),
            "valid": range(held_out, trained),
            "test": range(trained, len(signals)),
        }
        splits = {
            name: Samples(
                [
                    Sample(index, torch.from_numpy(signals[row, :, None]), torch.tensor(int(digits[row])))
                    for index, row in enumerate(rows)
                ]
            )
            for name, rows in parts.items()
        }
        return spec, splits


def make_signals(seed: int, *, shuffled: bool) -> tuple[np.ndarray, np.ndarray]:
    """All signals (5000, 40) and their digits (5000,), those to train on first.

    Raises:
        MissingEnvironmentError: the package `mnist1d` is not installed.
    """
    try:
        package = importlib.import_module("mnist1d.data")
    except ImportError as error:
        raise MissingEnvironmentError(
            f"data=mnist1d needs the package 'mnist1d' ({error}): pip install mnist1d"
        ) from error
    # The package seeds the global generators, which belong to the run.
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        arguments = package.get_dataset_args()
        arguments.seed, arguments.shuffle_seq = seed, shuffled
        made = package.make_dataset(arguments)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    signals = np.concatenate([made["x"], made["x_test"]]).astype(np.float32)
    return signals, np.concatenate([made["y"], made["y_test"]])
