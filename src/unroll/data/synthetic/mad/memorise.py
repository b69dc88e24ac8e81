"""Memorisation of the MAD suite: facts that never change."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unroll.config.registry import builds, register, require
from unroll.data.synthetic.labelled import Labelled, LabelledTokens
from unroll.data.synthetic.mad.base import MadConfig
from unroll.spec import IGNORED

TABLE = 3
"""The number of the random stream of the table: those of the splits are 0, 1 and 2."""


@register("data", "memorise")
@dataclass(kw_only=True, slots=True)
class MemoriseConfig(MadConfig):
    """Config of memorisation.

    Attributes:
        vocabulary_size: different tokens: keys, as many values or one more, and the token that asks
        length: steps of a sequence, two for each key
    """

    name: str = "memorise"
    vocabulary_size: int = 256
    length: int = 32
    train_size: int = 256

    def __post_init__(self) -> None:
        MadConfig.__post_init__(self)
        require(self, "vocabulary_size", self.vocabulary_size >= 3, "3 or more")
        require(self, "length", self.length >= 2 and self.length % 2 == 0, "even, and 2 or more")


@builds(MemoriseConfig)
class Memorise(LabelledTokens):
    """Inputs are a key, the token that asks, a key, … (T,); targets the value of the key before (T,).

    The table of keys and values is the same in all sequences of all splits; the seed decides it. Keys of a
    sequence are independent and uniform; no two keys have the same value. Chance is 1 / 128: nothing in a
    sequence tells a value, so a model must have the table in its weights.

    MAD suite, baseline (`mad/base.py`): 256 tokens (127 keys, 128 values), 32 steps, and 256 training
    sequences, which show each fact about 32 times an epoch. It is small enough for no reduced form.
    """

    config: MemoriseConfig

    @property
    def description(self) -> str:
        return (
            f"{self._keys} facts to know by heart (chance 1/{self.config.vocabulary_size - 1 - self._keys})"
        )

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*(str(number) for number in range(self.config.vocabulary_size - 1)), "?")

    @property
    def steps(self) -> int:
        return self.config.length

    @property
    def _keys(self) -> int:
        return (self.config.vocabulary_size - 1) // 2

    @cached_property
    def _value_of(self) -> np.ndarray:
        values = np.arange(self._keys, self.config.vocabulary_size - 1)
        return np.random.default_rng([self.seed, TABLE]).permutation(values)[: self._keys]

    def draw(self, random: np.random.Generator, split: str, index: int) -> Labelled:
        config = self.config
        keys = random.integers(self._keys, size=config.length // 2)
        inputs = np.full(config.length, config.vocabulary_size - 1)
        inputs[::2] = keys
        targets = np.full(config.length, IGNORED)
        targets[1::2] = self._value_of[keys]
        return inputs, targets
