"""What the tasks of the MAD suite share: their sizes, and a class at each step that has an answer.

The suite is Poli et al. 2024, "Mechanistic Design and Scaling of Hybrid Architectures" (arXiv:2403.17844);
the details that its text leaves open are those of its code (github.com/athms/mad-lab). The defaults are its
baseline settings. It trains for 200 epochs with AdamW, batches of 128 and a cosine schedule from the learning
rate to 1e-6, takes the best of learning rates 1e-4, 5e-4 and 1e-3 and weight decays 0 and 0.1, with two
layers of width 128, each followed by an MLP. It holds nothing out for validation, and its accuracy is the
mean over classes; here it is the mean over steps, which differs little, as classes are nearly uniform.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from unroll.config.registry import require
from unroll.data.collate import Sample
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticData, token_ids, token_vocabulary
from unroll.spec import IGNORED, Alignment, DataSpec, Kind, Signature

Task = tuple[np.ndarray, np.ndarray]
"""Inputs and targets (T,), as numbers of tokens and of classes; IGNORED where there is no answer."""


@dataclass(kw_only=True, slots=True)
class MadConfig(SplitSizesConfig):
    """Base config of a task of the MAD suite. It has no keys of its own."""

    train_size: int = 12_800
    valid_size: int = 1_280
    test_size: int = 1_280
    batch_size: int = 128

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)


@dataclass(kw_only=True, slots=True)
class MadRecallConfig(MadConfig):
    """Base config of a recall task of the MAD suite.

    Attributes:
        vocabulary_size: different tokens, of every kind together
        length: tokens of a sequence
        train_every_step: whether training scores the next token at every step, as the suite does, and not
            only the answers; validation and test score the answers alone
    """

    vocabulary_size: int = 16
    length: int = 128
    train_every_step: bool = True

    def __post_init__(self) -> None:
        MadConfig.__post_init__(self)
        require(self, "vocabulary_size", self.vocabulary_size >= 4, "4 or more")


class MadData(SyntheticData[Task]):
    """A task of the MAD suite: tokens (T,), and a class at each step that has an answer (T,)."""

    @property
    @abstractmethod
    def tokens(self) -> tuple[str, ...]:
        """The names of the input tokens, by number."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by number: those of the tokens unless a task has others."""
        return self.tokens

    @property
    @abstractmethod
    def steps(self) -> int:
        """The number of steps of every sequence."""

    def make_spec(self) -> DataSpec:
        vocabulary = token_vocabulary(self.tokens)
        return DataSpec(
            signature=self.config.signature(),
            input_size=len(vocabulary),
            target_size=len(self.classes),
            length=self.steps,
            input_vocabulary=vocabulary,
            target_vocabulary=self.classes,
        )

    def sample(self, index: int, item: Task) -> Sample:
        inputs, targets = item
        return Sample(index, token_ids(inputs), torch.from_numpy(targets))


def next_tokens(tokens: np.ndarray, answers: np.ndarray, *, every_step: bool) -> Task:
    """Each token but the last, with its successor as the target if that is an answer or `every_step` counts.

    `answers` (T,) marks the tokens that are answers.
    """
    targets = tokens[1:] if every_step else np.where(answers[1:], tokens[1:], IGNORED)
    return tokens[:-1], targets
