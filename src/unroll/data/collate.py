"""Samples, and how they become a padded batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unroll.batch import SequenceBatch
from unroll.spec import END, PAD


@dataclass(frozen=True, slots=True)
class Sample:
    """One sequence: its number in the data set, its token ids or (time, features) values, and its target.

    A target of tokens has no START and no END. `references` lists all acceptable targets where there may
    be more than one.
    """

    index: int
    inputs: Tensor
    targets: Tensor | None = None
    references: list[list[int]] | None = None


def collate(samples: Sequence[Sample]) -> SequenceBatch:
    """Pad inputs and unaligned token targets to the longest of the batch; targets get their END.

    Token ids are padded with PAD, which is 0, and continuous values with 0.0.
    """
    targets = [sample.targets for sample in samples if sample.targets is not None]
    end = torch.tensor([END])
    ended = [torch.cat([target, end]) for target in targets]
    references = [sample.references for sample in samples if sample.references is not None]
    return SequenceBatch(
        index=torch.tensor([sample.index for sample in samples]),
        inputs=pad_sequence([sample.inputs for sample in samples], batch_first=True, padding_value=PAD),
        lengths=torch.tensor([len(sample.inputs) for sample in samples]),
        targets=pad_sequence(ended, batch_first=True, padding_value=PAD) if targets else None,
        target_lengths=torch.tensor([len(target) for target in ended]) if targets else None,
        references=references or None,
    )
