"""What the tasks of the MAD suite share: their sizes, and the next token as the answer.

The suite is Poli et al. 2024, "Mechanistic Design and Scaling of Hybrid Architectures" (arXiv:2403.17844);
the details that its text leaves open are those of its code (github.com/athms/mad-lab). The defaults are its
baseline settings. It trains for 200 epochs with AdamW, batches of 128 and a cosine schedule from the learning
rate to 1e-6, takes the best of learning rates 1e-4, 5e-4 and 1e-3 and weight decays 0 and 0.1, with two
layers of width 128, each followed by an MLP. It holds nothing out for validation, and its accuracy is the
mean over classes; here it is the mean over steps, which differs little, as classes are nearly uniform.
"""

from dataclasses import dataclass

import numpy as np

from unroll.config.registry import require
from unroll.data.synthetic.labelled import Labelled, LabelledTokensConfig
from unroll.spec import IGNORED


@dataclass(kw_only=True, slots=True)
class MadConfig(LabelledTokensConfig):
    """Base config of a task of the MAD suite.

    Attributes:
        length: tokens of a sequence
    """

    length: int = 128
    train_size: int = 12_800
    valid_size: int = 1_280
    test_size: int = 1_280
    batch_size: int = 128

    def longest(self) -> int:
        return 2 * self.length


@dataclass(kw_only=True, slots=True)
class MadRecallConfig(MadConfig):
    """Base config of a recall task of the MAD suite.

    Attributes:
        vocabulary_size: different tokens, of every kind together
        train_every_step: whether training scores the next token at every step, as the suite does, and not
            only the answers; validation and test score the answers alone
    """

    vocabulary_size: int = 16
    train_every_step: bool = True

    def __post_init__(self) -> None:
        MadConfig.__post_init__(self)
        require(self, "vocabulary_size", self.vocabulary_size >= 4, "4 or more")


def next_tokens(tokens: np.ndarray, answers: np.ndarray, *, every_step: bool) -> Labelled:
    """Each token but the last, with its successor as the target if that is an answer or `every_step` counts.

    `answers` (T,) marks the tokens that are answers.
    """
    targets = tokens[1:] if every_step else np.where(answers[1:], tokens[1:], IGNORED)
    return tokens[:-1], targets
