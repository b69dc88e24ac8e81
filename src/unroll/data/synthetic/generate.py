"""Token sequences that a single vector determines."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.module import Samples, SequenceDataModule
from unroll.data.synthetic.base import SyntheticConfig
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature


@register("data", "generate")
@dataclass(kw_only=True, slots=True)
class GenerateConfig(SyntheticConfig):
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
        SyntheticConfig.__post_init__(self)
        require(self, "vocabulary_size", self.vocabulary_size >= 2, "2 or more")
        for key in ("max_stride", "min_length"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        require(
            self, "max_length", self.max_length >= self.min_length, f"min_length={self.min_length} or more"
        )
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

    def signature(self) -> Signature:
        return Signature(Kind.CONTEXT, Kind.TOKENS, Alignment.UNALIGNED)


@builds(GenerateConfig)
class Generate(SequenceDataModule):
    """Inputs (1, 3) are start, stride and length, each scaled to [0, 1]; targets tokens (length,).

    Which combinations are held out is a function of the seed, and each sample one of (seed, split, index).
    """

    config: GenerateConfig

    @property
    def description(self) -> str:
        return "(start, stride, length) → a progression"

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        vocabulary = (*SPECIAL_TOKENS, *(str(number) for number in range(config.vocabulary_size)))
        spec = DataSpec(
            signature=config.signature(),
            input_size=3,
            target_size=len(vocabulary),
            length=1,
            max_target_length=config.max_length + 1,
            target_vocabulary=vocabulary,
            input_names=("start", "stride", "length"),
        )
        lengths = range(config.min_length, config.max_length + 1)
        contexts = list(product(range(config.vocabulary_size), range(1, config.max_stride + 1), lengths))
        order = np.random.default_rng(self.seed).permutation(len(contexts)).tolist()
        test, valid, rest = np.split(order, [config.test_size, config.test_size + config.valid_size])
        train = [
            rest[np.random.default_rng([self.seed, 0, index]).integers(len(rest))]
            for index in range(config.train_size)
        ]
        splits = {
            name: Samples([self._sample(index, *contexts[number]) for index, number in enumerate(numbers)])
            for name, numbers in (("train", train), ("valid", valid), ("test", test))
        }
        return spec, splits

    def _sample(self, index: int, start: int, stride: int, length: int) -> Sample:
        config = self.config
        lowest = np.array([0, 1, config.min_length])
        highest = np.array([config.vocabulary_size - 1, config.max_stride, config.max_length])
        context = (np.array([start, stride, length]) - lowest) / np.maximum(highest - lowest, 1)
        tokens = (start + stride * torch.arange(length)) % config.vocabulary_size
        return Sample(index, torch.from_numpy(context).float()[None], tokens + len(SPECIAL_TOKENS))
