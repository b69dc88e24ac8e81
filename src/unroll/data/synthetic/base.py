"""What the seeded synthetic data sets share."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from unroll.config.components import DataConfig
from unroll.config.registry import require
from unroll.data.collate import Sample
from unroll.data.module import Samples, SequenceDataModule
from unroll.spec import DataSpec


@dataclass(kw_only=True, slots=True)
class SyntheticConfig(DataConfig):
    """Base config of data that are drawn.

    Attributes:
        train_size: sequences to train on
        valid_size: sequences to validate on
        test_size: sequences to test on
    """

    train_size: int = 20_000
    valid_size: int = 1_000
    test_size: int = 2_000

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        for key in ("train_size", "valid_size", "test_size"):
            require(self, key, getattr(self, key) >= 1, "1 or more")

    def sizes(self) -> dict[str, int]:
        """The number of samples of each split, by its name."""
        return {"train": self.train_size, "valid": self.valid_size, "test": self.test_size}


class SyntheticData(SequenceDataModule):
    """Each sample is a function of (seed, split, index) alone; splits are numbered from 0."""

    config: SyntheticConfig

    @abstractmethod
    def describe(self) -> DataSpec:
        """The spec of the data."""

    @abstractmethod
    def sample(self, split: int, index: int) -> Sample:
        """Draw a sample."""

    def random(self, split: int, index: int) -> np.random.Generator:
        """The random numbers of a sample."""
        return np.random.default_rng([self.seed, split, index])

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        splits = {
            name: Samples([self.sample(split, index) for index in range(size)])
            for split, (name, size) in enumerate(self.config.sizes().items())
        }
        return self.describe(), splits
