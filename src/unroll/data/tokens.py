"""Synthetic token sequences whose right answer is known: copy, reverse, sort."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch

from unroll.components import DataConfig
from unroll.data.base import Samples, SequenceDataModule
from unroll.data.collate import Sample
from unroll.errors import InputError
from unroll.registry import builds, register, require
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature


class Task(Enum):
    """What the target is, given the input."""

    copy = "copy"
    reverse = "reverse"
    sort = "sort"


@register("data", "tokens")
@dataclass(kw_only=True, slots=True)
class TokensConfig(DataConfig):
    """Config of synthetic token data.

    Lengths are uniform from `min_length` to `max_length`, tokens uniform over `vocabulary_size` numbers.
    """

    name: str = "tokens"
    task: Task = Task.copy
    vocabulary_size: int = 20
    min_length: int = 1
    max_length: int = 20
    train_size: int = 20_000
    valid_size: int = 1_000
    test_size: int = 2_000

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        require(self, "vocabulary_size", self.vocabulary_size >= 2, "2 or more")
        require(self, "min_length", self.min_length >= 1, "1 or more")
        require(
            self, "max_length", self.max_length >= self.min_length, f"min_length={self.min_length} or more"
        )
        for key in ("train_size", "valid_size", "test_size"):
            require(self, key, getattr(self, key) >= 1, "1 or more")

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED)


@builds(TokensConfig)
class Tokens(SequenceDataModule):
    """Each sample is a function of (seed, split, index) alone.

    A sequence of the valid or test split that also stands in the train split is drawn again, so that test
    sequences are unseen; there are fewer of the shortest among them than in the train split.
    """

    config: TokensConfig

    @property
    def description(self) -> str:
        return self.config.task.value

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        tokens = tuple(str(number) for number in range(config.vocabulary_size))
        vocabulary = (*SPECIAL_TOKENS, *tokens)
        spec = DataSpec(
            signature=config.signature(),
            input_size=len(vocabulary),
            target_size=len(vocabulary),
            max_target_length=config.max_length + 1,
            input_vocabulary=vocabulary,
            target_vocabulary=vocabulary,
        )
        seen: set[bytes] = set()
        splits: dict[str, Samples] = {}
        for split, (name, size) in enumerate(
            (("train", config.train_size), ("valid", config.valid_size), ("test", config.test_size))
        ):
            drawn = [self._draw(split, index, seen if split > 0 else set()) for index in range(size)]
            if split == 0:
                seen = {inputs.tobytes() for inputs in drawn}
            splits[name] = Samples([self._sample(index, inputs) for index, inputs in enumerate(drawn)])
        return spec, splits

    def _draw(self, split: int, index: int, seen: set[bytes]) -> np.ndarray:
        config = self.config
        random = np.random.default_rng([self.seed, split, index])
        for _ in range(100):
            length = random.integers(config.min_length, config.max_length + 1)
            inputs = random.integers(config.vocabulary_size, size=length) + len(SPECIAL_TOKENS)
            if inputs.tobytes() not in seen:
                return inputs
        raise InputError(
            f"data.train_size={config.train_size}: the training set holds nearly all sequences of "
            f"max_length={config.max_length} and vocabulary_size={config.vocabulary_size}, "
            "which leaves none to test on; take fewer, or longer ones"
        )

    def _sample(self, index: int, inputs: np.ndarray) -> Sample:
        match self.config.task:
            case Task.copy:
                targets = inputs
            case Task.reverse:
                targets = inputs[::-1].copy()
            case Task.sort:
                targets = np.sort(inputs)
        return Sample(index, torch.from_numpy(inputs), torch.from_numpy(targets))
