"""Selective copying: tokens among blanks, to be written at the end in their order."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from unroll.config.registry import builds, register, require
from unroll.data.synthetic.labelled import Labelled, LabelledTokens
from unroll.data.synthetic.mad.base import MadConfig
from unroll.spec import IGNORED


class CopyForm(Enum):
    """Where tokens stand and how they are asked for.

    mad: each blank stands before one of the tokens, chosen uniformly; one token asks, and blanks follow it.
    mamba: tokens stand at places chosen uniformly; the token that asks stands at every answer.
    """

    mad = "mad"
    mamba = "mamba"


@register("data", "selective_copy")
@dataclass(kw_only=True, slots=True)
class SelectiveCopyConfig(MadConfig):
    """Config of selective copying.

    Attributes:
        form: where tokens stand and how they are asked for, as in mad or in mamba
        vocabulary_size: different tokens, the blank and the one that asks included
        length: steps of a sequence, those of the answer included
        tokens_to_copy: tokens to remember in a sequence
    """

    name: str = "selective_copy"
    form: CopyForm = CopyForm.mad
    vocabulary_size: int = 16
    length: int = 256
    tokens_to_copy: int = 16

    def __post_init__(self) -> None:
        MadConfig.__post_init__(self)
        self.require_positive("tokens_to_copy")
        require(
            self,
            "vocabulary_size",
            self.vocabulary_size >= 4,
            "4 or more: two tokens, blank, and the one that asks",
        )
        shortest = 2 * self.tokens_to_copy + 2
        require(
            self,
            "length",
            self.length >= shortest,
            f"{shortest} or more for tokens_to_copy={self.tokens_to_copy}",
        )


@builds(SelectiveCopyConfig)
class SelectiveCopy(LabelledTokens):
    """Inputs are tokens among blanks, and steps to answer at (T,); targets the tokens in their order (T,).

    There are `vocabulary_size` - 2 kinds of token, uniform and independent: chance is 1 / 14. Targets are
    IGNORED but on the last `tokens_to_copy` steps. In a form of mad the last token is followed at once by the
    one that asks.

    MAD suite, baseline (`mad/base.py`): length=256, 16 tokens to copy.

    From Gu & Dao 2023, "Mamba" (arXiv:2312.00752), section 4.1.1 and appendix E.1,
    `data=selective_copy_mamba`: form=mamba, length=4096, 16 tokens to copy of 14 kinds (as in the authors'
    earlier code of S4), two layers of width 64, 400,000 steps of 64 sequences drawn anew, at a learning rate
    of 1e-4. (Their text says sequences of 4,096; here that counts the answers, too.) Feng et al. 2024, "Were
    RNNs All We Needed?", have three layers. Reduced: data.length=128.
    """

    config: SelectiveCopyConfig

    @property
    def description(self) -> str:
        config = self.config
        chance = f"1/{config.vocabulary_size - 2}"
        return f"{config.tokens_to_copy} tokens of {config.length} steps to copy (chance {chance})"

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.classes, "_", ":")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(number) for number in range(self.config.vocabulary_size - 2))

    @property
    def steps(self) -> int:
        return self.config.length

    def draw(self, random: np.random.Generator, split: str, index: int) -> Labelled:
        config, number = self.config, self.config.tokens_to_copy
        blank, asks = config.vocabulary_size - 2, config.vocabulary_size - 1
        tokens = random.integers(blank, size=number)
        inputs = np.full(config.length, blank)
        if config.form is CopyForm.mad:
            blanks = random.multinomial(config.length - 2 * number - 1, np.full(number, 1 / number))
            places = np.cumsum(blanks + 1) - 1
            inputs[-number - 1] = asks
        else:
            places = np.sort(random.choice(config.length - number, number, replace=False))
            inputs[-number:] = asks
        inputs[places] = tokens
        targets = np.full(config.length, IGNORED)
        targets[-number:] = tokens
        return inputs, targets
