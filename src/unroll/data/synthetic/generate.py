"""Token sequences that a single vector determines."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticData, token_ids, token_vocabulary
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("data", "generate")
@dataclass(kw_only=True, slots=True)
class GenerateConfig(SplitSizesConfig):
    """Config of arithmetic progressions: start, start + stride, start + 2 · stride, … modulo the vocabulary.

    Attributes:
        vocabulary_size: different tokens; a progression starts at any of them
        max_stride: the largest stride; the smallest is 1
        min_length: the shortest progression, in tokens
        max_length: the longest progression, in tokens
        train_size: progressions to train on, drawn from the combinations that are not held out
        valid_size: combinations of start, stride and length that are held out to validate on
        test_size: combinations that are held out to test on
    """

    name: str = "generate"
    vocabulary_size: int = 10
    max_stride: int = 4
    min_length: int = 3
    max_length: int = 12
    train_size: int = 10_000
    valid_size: int = 50
    test_size: int = 100

    def __post_init__(self) -> None:
        SplitSizesConfig.__post_init__(self)
        self.require_kinds("vocabulary_size")
        self.require_positive("max_stride", "min_length")
        self.require_ranges("length")
        require(self, "max_stride", self.max_stride < self.vocabulary_size, "below vocabulary_size")
        require(
            self,
            "test_size",
            self.valid_size + self.test_size < self.combinations(),
            f"less: with valid_size={self.valid_size} it leaves none of the {self.combinations()} "
            "combinations to train on",
        )

    def combinations(self) -> int:
        """The number of different sequences."""
        return self.vocabulary_size * self.max_stride * (self.max_length - self.min_length + 1)

    def longest(self) -> int:
        return self.max_length + 4

    def signature(self) -> Signature:
        return Signature(Kind.CONTEXT, Kind.TOKENS, Alignment.UNALIGNED)


Combination = tuple[int, int, int]
"""Start, stride and length."""


@builds(GenerateConfig)
class Generate(SyntheticData[Combination]):
    """Inputs (1, 3) are start, stride and length, each scaled to [0, 1]; targets tokens (length,).

    The seed decides which combinations are held out: each of them is one sample of the valid or test split.
    """

    config: GenerateConfig

    @property
    def description(self) -> str:
        return "(start, stride, length) → a progression"

    def make_spec(self) -> DataSpec:
        config = self.config
        vocabulary = token_vocabulary([str(number) for number in range(config.vocabulary_size)])
        return DataSpec(
            signature=config.signature(),
            input_size=3,
            target_size=len(vocabulary),
            length=1,
            max_target_length=config.max_length + 1,
            target_vocabulary=vocabulary,
            input_names=("start", "stride", "length"),
        )

    def draw(self, random: np.random.Generator, split: str, index: int) -> Combination:
        combinations = self._combinations[split]
        return combinations[random.integers(len(combinations)) if split == "train" else index]

    def sample(self, index: int, item: Combination) -> Sample:
        config = self.config
        start, stride, length = item
        lowest = np.array([0, 1, config.min_length])
        highest = np.array([config.vocabulary_size - 1, config.max_stride, config.max_length])
        context = (np.array(item) - lowest) / np.maximum(highest - lowest, 1)
        numbers = (start + stride * torch.arange(length)) % config.vocabulary_size
        return Sample(index, torch.from_numpy(context).float()[None], token_ids(numbers))

    @cached_property
    def _combinations(self) -> dict[str, list[Combination]]:
        """The combinations of each split, in the order that the seed gives them."""
        config = self.config
        lengths = range(config.min_length, config.max_length + 1)
        every = list(product(range(config.vocabulary_size), range(1, config.max_stride + 1), lengths))
        order = np.random.default_rng(self.seed).permutation(len(every)).tolist()
        test, valid, train = np.split(order, [config.test_size, config.test_size + config.valid_size])
        parts = {"train": train, "valid": valid, "test": test}
        return {split: [every[number] for number in part] for split, part in parts.items()}
