"""The base of all data sets that are drawn at random."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from unroll.config.components import DRAWN_NUMBER_LIMIT, KIND_LIMIT, SEQUENCE_LIMIT, DataConfig
from unroll.config.registry import require
from unroll.data.collate import Sample
from unroll.data.module import SequenceDataModule
from unroll.data.samples import Samples
from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, DataSpec

Item = TypeVar("Item")
"""What a data set draws: all that is random in a sample."""


@dataclass(kw_only=True, slots=True)
class SyntheticConfig(DataConfig):
    """Base config of data that are drawn: checks that several share. It has no keys of its own."""

    def sizes(self) -> dict[str, int]:
        """The number of samples of the splits "train", "valid" and "test"."""
        raise NotImplementedError

    def longest(self) -> int:
        """The numbers of the longest sequence, with its target, where they are many."""
        return 1

    def require_ready(self) -> None:
        """Raise an `InputError` where drawing the data would take very long, or fill the memory."""
        sizes = self.sizes()
        sequences, longest = sum(sizes.values()), self.longest()
        if sequences <= SEQUENCE_LIMIT and sequences * longest <= DRAWN_NUMBER_LIMIT:
            return
        listed = ", ".join(f"{size:,} {split}" for split, size in sizes.items())
        # Roughly, a sequence takes 1 kB and 40 µs, and each number in it 8 bytes and 20 ns.
        gigabytes = max(1, round(sequences * (1000 + 8 * longest) / 1e9))
        minutes = max(1, round(sequences * (4e-5 + 2e-8 * longest) / 60))
        raise InputError(
            f"data.name={self.name}: its sequences ({listed}) of up to {longest:,} numbers would take about "
            f"{gigabytes:,} GB and {minutes:,} minutes to draw; give at most {SEQUENCE_LIMIT:,} sequences "
            f"and {DRAWN_NUMBER_LIMIT:,} numbers in all"
        )

    def require_kinds(self, key: str) -> None:
        """Raise an `InputError` unless a number of classes or of different tokens is 2 or more."""
        require(self, key, 2 <= getattr(self, key) <= KIND_LIMIT, f"2 or more, up to {KIND_LIMIT:,}")

    def require_positive(self, *keys: str) -> None:
        """Raise an `InputError` unless each of the keys is 1 or more."""
        for key in keys:
            require(self, key, getattr(self, key) >= 1, "1 or more")

    def require_ranges(self, *quantities: str) -> None:
        """Raise an `InputError` unless `max_…` of each quantity is finite and no less than `min_…`."""
        for quantity in quantities:
            low, high = getattr(self, f"min_{quantity}"), getattr(self, f"max_{quantity}")
            require(self, f"max_{quantity}", low <= high < math.inf, f"min_{quantity}={low} or more")


@dataclass(kw_only=True, slots=True)
class SplitSizesConfig(SyntheticConfig):
    """Base config of data that are drawn, with the number of samples of each split.

    Attributes:
        train_size: sequences to train on
        valid_size: sequences to validate on
        test_size: sequences to test on
    """

    train_size: int = 20_000
    valid_size: int = 1_000
    test_size: int = 2_000

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        self.require_positive("train_size", "valid_size", "test_size")

    def sizes(self) -> dict[str, int]:
        return {"train": self.train_size, "valid": self.valid_size, "test": self.test_size}


class SyntheticData(SequenceDataModule, Generic[Item]):
    """Data that are drawn, an item for each sample.

    A data set says three things: how an item is drawn, which sample follows from it, and what the spec is.
    Each item has random numbers of its own, from (seed, number of the split, index), so it stays the same
    when the size of a split changes. The training items are drawn first. The other splits, the samples and
    the spec may depend on them: on the vocabulary they hold, for example.
    """

    config: SyntheticConfig

    @abstractmethod
    def draw(self, random: np.random.Generator, split: str, index: int) -> Item:
        """Draw the item of this index in a split.

        Raises:
            InputError: the config leaves nothing to draw.
        """

    @abstractmethod
    def sample(self, index: int, item: Item) -> Sample:
        """The sample that follows from an item, with nothing random about it."""

    @abstractmethod
    def make_spec(self) -> DataSpec:
        """The spec of the data."""

    @cached_property
    def train_items(self) -> Sequence[Item]:
        """The items of the training split."""
        return self._items("train")

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        self.config.require_ready()  # the config may come from a checkpoint
        items = {"train": self.train_items, "valid": self._items("valid"), "test": self._items("test")}
        splits = {
            split: Samples([self.sample(index, item) for index, item in enumerate(drawn)])
            for split, drawn in items.items()
        }
        return self.make_spec(), splits

    def _items(self, split: str) -> list[Item]:
        sizes = self.config.sizes()
        number = list(sizes).index(split)
        return [
            self.draw(np.random.default_rng([self.seed, number, index]), split, index)
            for index in range(sizes[split])
        ]


MAX_DRAWS = 100
"""How often a sequence is drawn before an error says that none is left."""


class UnseenSequences(SyntheticData[np.ndarray]):
    """Data whose items are sequences. One that is in training is drawn again for the other splits."""

    @abstractmethod
    def draw_sequence(self, random: np.random.Generator, split: str) -> np.ndarray:
        """Draw the numbers of a sequence (T,), whether or not it is in training."""

    @property
    @abstractmethod
    def limits(self) -> str:
        """The keys that say how many sequences there are, for a message."""

    def draw(self, random: np.random.Generator, split: str, index: int) -> np.ndarray:
        """The numbers of a sequence (T,).

        Raises:
            InputError: many draws find none that is not in training.
        """
        for _ in range(MAX_DRAWS):
            drawn = self.draw_sequence(random, split)
            if split == "train" or drawn.tobytes() not in self._train_sequences:
                return drawn
        raise InputError(
            f"data.train_size={self.config.sizes()['train']}: the training set holds nearly all sequences of "
            f"{self.limits}, which leaves none to test on; take fewer, or longer ones"
        )

    @cached_property
    def _train_sequences(self) -> set[bytes]:
        return {numbers.tobytes() for numbers in self.train_items}


def token_vocabulary(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens by id: the special ones first, then these."""
    return (*SPECIAL_TOKENS, *tokens)


def token_ids(numbers: np.ndarray | Tensor) -> Int[Tensor, " time"]:
    """The ids of tokens, which are numbered from 0 without the special ones."""
    return torch.as_tensor(numbers) + len(SPECIAL_TOKENS)
