"""Samples, and padded batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unroll.batch import SequenceBatch
from unroll.spec import END, PAD, Alignment, Kind, Signature


@dataclass(frozen=True, slots=True)
class Sample:
    """One sequence: its number in the data set, its inputs and its target.

    `inputs` are token ids (T,) or values (T, I). `targets` are

    - one per sequence: a class () or values or labels (O,);
    - one per step: classes (T,), or values or labels (T, O);
    - unaligned: token ids (T_out,) without START and END, or values (T_out, O).

    `references` lists all acceptable targets where there may be several; `characters` holds the ids of the
    letters of each input token.

    Of a window of one of several series, `series` is the series' number in its split, and `naive_error` its
    mean absolute change over a season, for each forecast feature.
    """

    index: int
    inputs: Tensor
    targets: Tensor | None = None
    references: list[list[int]] | None = None
    characters: list[list[int]] | None = None
    series: int | None = None
    naive_error: tuple[float, ...] = ()


def collate(samples: Sequence[Sample], signature: Signature) -> SequenceBatch:
    """Pad inputs, and targets that have a time axis, to the longest of the batch.

    Token ids are padded with PAD, which is 0, classes with 0 and values with 0.0. Unaligned tokens get
    their END.
    """
    targets = [sample.targets for sample in samples if sample.targets is not None]
    unaligned = signature.alignment is Alignment.UNALIGNED
    if unaligned and signature.targets is Kind.TOKENS:
        end = torch.tensor([END])
        targets = [torch.cat([target, end]) for target in targets]
    references = [sample.references for sample in samples if sample.references is not None]
    series = [sample.series for sample in samples if sample.series is not None]
    spelt = [sample.characters for sample in samples if sample.characters is not None]
    per_sequence = signature.alignment is Alignment.SEQUENCE
    return SequenceBatch(
        index=torch.tensor([sample.index for sample in samples]),
        inputs=_pad([sample.inputs for sample in samples]),
        lengths=torch.tensor([len(sample.inputs) for sample in samples]),
        targets=(torch.stack(targets) if per_sequence else _pad(targets)) if targets else None,
        target_lengths=torch.tensor([len(target) for target in targets]) if targets and unaligned else None,
        references=references or None,
        characters=_pad_characters(spelt) if spelt else None,
        series=torch.tensor(series) if series else None,
        naive_error=torch.tensor([sample.naive_error for sample in samples]) if series else None,
    )


def _pad(sequences: list[Tensor]) -> Tensor:
    return pad_sequence(sequences, batch_first=True, padding_value=PAD)


def _pad_characters(spelt: list[list[list[int]]]) -> Int[Tensor, "batch time letters"]:
    time = max(len(tokens) for tokens in spelt)
    letters = max(len(token) for tokens in spelt for token in tokens)
    padded = torch.full((len(spelt), time, letters), PAD)
    for row, tokens in enumerate(spelt):
        for step, token in enumerate(tokens):
            padded[row, step, : len(token)] = torch.tensor(token)
    return padded
