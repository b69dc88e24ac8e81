"""Tokens with a class at each step that has an answer: what several tasks share."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from unroll.data.collate import Sample
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticData, token_ids, token_vocabulary
from unroll.spec import Alignment, DataSpec, Kind, Signature

Labelled = tuple[np.ndarray, np.ndarray]
"""Inputs and targets (T,), as numbers of tokens and of classes; IGNORED where there is no answer."""


@dataclass(kw_only=True, slots=True)
class LabelledTokensConfig(SplitSizesConfig):
    """Base config of such a task. It has no keys of its own."""

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)


class LabelledTokens(SyntheticData[Labelled]):
    """Such a task: tokens (T,), and a class at each step that has an answer (T,)."""

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

    def sample(self, index: int, item: Labelled) -> Sample:
        inputs, targets = item
        return Sample(index, token_ids(inputs), torch.from_numpy(targets))
