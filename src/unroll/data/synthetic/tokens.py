"""Random token sequences with an answer that follows from them: another sequence, or a class."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.samples import common_length
from unroll.data.synthetic.base import SplitSizesConfig, UnseenSequences, token_ids, token_vocabulary
from unroll.spec import Alignment, DataSpec, Kind, Signature


class Task(Enum):
    """What the target is, given the input.

    copy, reverse, sort: the same tokens in the same order, in reverse or sorted. majority: the class of the
    most frequent token (of several, the smallest). parity: whether the number of ones among zeros and ones is
    even.
    """

    copy = "copy"
    reverse = "reverse"
    sort = "sort"
    majority = "majority"
    parity = "parity"


@register("data", "tokens")
@dataclass(kw_only=True, slots=True)
class TokensConfig(SplitSizesConfig):
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
        SplitSizesConfig.__post_init__(self)
        if self.task is Task.parity:
            require(self, "vocabulary_size", self.vocabulary_size == 2, "2 for parity")
        self.require_kinds("vocabulary_size")
        self.require_positive("min_length")
        self.require_ranges("length")

    def longest(self) -> int:
        return 2 * self.max_length

    def signature(self) -> Signature:
        if self.task in (Task.majority, Task.parity):
            return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.SEQUENCE)
        return Signature(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED)


@builds(TokensConfig)
class Tokens(UnseenSequences):
    """Inputs are tokens (T,); targets tokens (T,) or a class ().

    The valid and test splits hold no sequence of the train split: such a sequence is drawn again. So short
    sequences, most of which the train split has, are rarer there.
    """

    config: TokensConfig

    @property
    def description(self) -> str:
        return self.config.task.value

    def make_spec(self) -> DataSpec:
        config = self.config
        tokens = tuple(str(number) for number in range(config.vocabulary_size))
        vocabulary = token_vocabulary(tokens)
        classes = ("even", "odd") if config.task is Task.parity else tokens
        targets = vocabulary if self._writes_tokens else classes
        return DataSpec(
            signature=config.signature(),
            input_size=len(vocabulary),
            target_size=len(targets),
            length=common_length([config.min_length, config.max_length]),
            max_target_length=config.max_length + 1 if self._writes_tokens else 1,
            input_vocabulary=vocabulary,
            target_vocabulary=targets,
        )

    def draw_sequence(self, random: np.random.Generator, split: str) -> np.ndarray:
        length = random.integers(self.config.min_length, self.config.max_length + 1)
        return random.integers(self.config.vocabulary_size, size=length)

    @property
    def limits(self) -> str:
        return f"max_length={self.config.max_length} and vocabulary_size={self.config.vocabulary_size}"

    def sample(self, index: int, item: np.ndarray) -> Sample:
        match self.config.task:
            case Task.copy:
                targets = item
            case Task.reverse:
                targets = item[::-1].copy()
            case Task.sort:
                targets = np.sort(item)
            case Task.majority:
                targets = np.asarray(np.bincount(item).argmax())
            case Task.parity:
                targets = np.asarray(item.sum() % 2)
        answer = token_ids(targets) if self._writes_tokens else torch.from_numpy(targets)
        return Sample(index, token_ids(item), answer)

    @property
    def _writes_tokens(self) -> bool:
        return self.config.signature().targets is Kind.TOKENS
