"""Compression of the MAD suite: a whole sequence to be told from what a model holds at its end."""

from dataclasses import dataclass

import numpy as np

from unroll.config.registry import builds, register, require
from unroll.data.synthetic.labelled import Labelled, LabelledTokens
from unroll.data.synthetic.mad.base import MadConfig
from unroll.spec import IGNORED


@register("data", "compress")
@dataclass(kw_only=True, slots=True)
class CompressConfig(MadConfig):
    """Config of compression.

    Attributes:
        vocabulary_size: different tokens of a sequence, the one that ends it included
        length: tokens of a sequence, the one that ends it included
    """

    name: str = "compress"
    vocabulary_size: int = 16
    length: int = 32

    def __post_init__(self) -> None:
        MadConfig.__post_init__(self)
        require(self, "vocabulary_size", self.vocabulary_size >= 3, "3 or more")
        require(self, "length", self.length >= 2, "2 or more")

    def longest(self) -> int:
        return 4 * self.length


@builds(CompressConfig)
class Compress(LabelledTokens):
    """Inputs are n random tokens, one that ends them, and n that ask for each place; targets those tokens.

    Inputs (2n + 1,), with n = length - 1; targets (2n + 1,), IGNORED on the first n + 1 steps. The token that
    asks for a place is another one for each place. Chance is 1 / 15.

    MAD suite, baseline (`mad/base.py`): 16 tokens, 32 a sequence. There, an MLP of two layers makes the token
    at each place of the output at the last token and of a code of the place. Here `model=many_to_many` reads
    on, and the recurrence itself decodes from its state: of the models here it comes nearest, as it also has
    the accuracy place by place, which an edit distance (`model=seq2seq`) is not. So all that a cell carries
    counts as its memory, not one output vector; a cell whose state holds all tokens, such as attention, need
    not compress at all, and its result says nothing beside a published one. The suite also counts the last
    token, which is always the same: its chance is near 1 / 8 as a mean over classes. Reduced: length=16.
    """

    config: CompressConfig

    @property
    def description(self) -> str:
        config = self.config
        return f"{config.length - 1} tokens from the state after them (chance 1/{config.vocabulary_size - 1})"

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.classes, ":", *(f"?{place}" for place in range(1, self.config.length)))

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(number) for number in range(self.config.vocabulary_size - 1))

    @property
    def steps(self) -> int:
        return 2 * self.config.length - 1

    def draw(self, random: np.random.Generator, split: str, index: int) -> Labelled:
        config = self.config
        tokens = random.integers(config.vocabulary_size - 1, size=config.length - 1)
        rest = np.arange(config.vocabulary_size - 1, config.vocabulary_size - 1 + config.length)
        return np.concatenate([tokens, rest]), np.concatenate([np.full(config.length, IGNORED), tokens])
