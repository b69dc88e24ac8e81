"""Synthetic token sequences whose right answer is known: a sequence to write, or one thing to tell."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.module import Samples, SequenceDataModule
from unroll.data.synthetic.base import SyntheticConfig
from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature


class Task(Enum):
    """What the target is, given the input.

    A sequence: its copy, its reverse, or its tokens sorted. A class: majority, the most frequent token (of
    several, the smallest); or parity, whether the number of ones among zeros and ones is even.
    """

    copy = "copy"
    reverse = "reverse"
    sort = "sort"
    majority = "majority"
    parity = "parity"


@register("data", "tokens")
@dataclass(kw_only=True, slots=True)
class TokensConfig(SyntheticConfig):
    """Config of synthetic token data. Lengths are uniform, and so are tokens.

    Attributes:
        task: what the target is; the input's copy, its reverse or its tokens sorted, its most frequent token
            (majority), or whether it has an even number of ones (parity)
        vocabulary_size: different tokens; 2 for parity
        min_length: the shortest sequence, in tokens
        max_length: the longest sequence, in tokens
    """

    name: str = "tokens"
    task: Task = Task.copy
    vocabulary_size: int = 20
    min_length: int = 1
    max_length: int = 20

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        if self.task is Task.parity:
            require(self, "vocabulary_size", self.vocabulary_size == 2, "2 for parity")
        require(self, "vocabulary_size", self.vocabulary_size >= 2, "2 or more")
        require(self, "min_length", self.min_length >= 1, "1 or more")
        require(
            self, "max_length", self.max_length >= self.min_length, f"min_length={self.min_length} or more"
        )

    def signature(self) -> Signature:
        if self.task in (Task.majority, Task.parity):
            return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.SEQUENCE)
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
        sequence = config.signature().targets is Kind.TOKENS
        classes = ("even", "odd") if config.task is Task.parity else tokens
        targets = vocabulary if sequence else classes
        spec = DataSpec(
            signature=config.signature(),
            input_size=len(vocabulary),
            target_size=len(targets),
            length=config.min_length if config.min_length == config.max_length else 0,
            max_target_length=config.max_length + 1 if sequence else 1,
            input_vocabulary=vocabulary,
            target_vocabulary=targets,
        )
        seen: set[bytes] = set()
        splits: dict[str, Samples] = {}
        for split, (name, size) in enumerate(config.sizes().items()):
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
        numbers = inputs - len(SPECIAL_TOKENS)
        match self.config.task:
            case Task.copy:
                targets = inputs
            case Task.reverse:
                targets = inputs[::-1].copy()
            case Task.sort:
                targets = np.sort(inputs)
            case Task.majority:
                targets = np.asarray(np.bincount(numbers).argmax())
            case Task.parity:
                targets = np.asarray(numbers.sum() % 2)
        return Sample(index, torch.from_numpy(inputs), torch.from_numpy(targets))
