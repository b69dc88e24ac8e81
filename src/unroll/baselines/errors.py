"""The errors of the baseline that fits a model's data, on the sequences that the model was tested on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from unroll.baselines.pointwise import PointwiseBaseline, fit_pointwise
from unroll.baselines.tokens import Copy, Same, TokenBaseline
from unroll.batch import SequenceBatch
from unroll.data.module import SequenceDataModule
from unroll.models.base import SequenceModel
from unroll.models.measure import Measure
from unroll.models.pointwise import PointwiseModel
from unroll.models.token_generator import TokenGenerator
from unroll.spec import Kind

CHUNK = 256
"""Sequences of a batch."""

MOST_COMPARED = 1000
"""On so many sequences it is found which of several baselines fits best: on the first ones of training, or of
forecasts on some of validation."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The summed errors of a model and of its baseline for each test sequence, in order.

    `items` is how many targets each sequence has. `overlap` test sequences next to one another share targets.
    `others` are the errors of baselines that did worse on the validation part, by name.
    """

    baseline: str
    measure: Measure
    model: np.ndarray
    errors: np.ndarray
    items: np.ndarray
    overlap: int = 1
    others: dict[str, np.ndarray] = field(default_factory=dict)


@torch.no_grad()
def compare(model: SequenceModel, data: SequenceDataModule) -> Compared:
    """A model that was just tested, beside the baseline that fits: fitted on the training part."""
    # torchmetrics makes a scalar of a tensor of one number.
    index, found, items = (each.reshape(-1) for each in model.errors.compute())
    (name, errors), *others = _baselines(model, data, index.tolist())
    return Compared(
        *(name, model.measure, found.double().numpy(), errors, items.double().numpy(), data.overlap),
        others=dict(others),
    )


def _baselines(
    model: SequenceModel, data: SequenceDataModule, index: list[int]
) -> list[tuple[str, np.ndarray]]:
    """The names of the baselines, the one to compare with first, and their errors on these test sequences."""
    if isinstance(model, PointwiseModel):
        return _pointwise(model, data, index)
    assert isinstance(model, TokenGenerator)
    train = data.splits["train"]
    written: list[TokenBaseline] = [Same(iter(train.samples))]
    if model.spec.signature.inputs is Kind.TOKENS:
        written.append(Copy(model.spec))
    some = list(range(min(len(train), MOST_COMPARED)))

    def by(baseline: TokenBaseline) -> Callable[[SequenceBatch], Tensor]:
        return lambda batch: model.errors_of(batch, baseline.predictions(batch))[0]

    best = min(written, key=lambda each: _errors(data, "train", some, model.device, by(each)).sum())
    return [(best.name, _errors(data, "test", index, model.device, by(best)))]


def _pointwise(
    model: PointwiseModel, data: SequenceDataModule, index: list[int]
) -> list[tuple[str, np.ndarray]]:
    """As `_baselines`. Of several the one that did best on the validation part comes first."""

    def by(baseline: PointwiseBaseline) -> Callable[[SequenceBatch], Tensor]:
        return lambda batch: model.errors_of(batch, baseline.outputs(batch, model))[0]

    fitted = fit_pointwise(model.spec, iter(data.splits["train"].samples))
    if len(fitted) > 1:
        held_out = len(data.splits["valid"])
        some = list(range(0, held_out, -(-held_out // MOST_COMPARED)))
        fitted.sort(key=lambda each: float(_errors(data, "valid", some, model.device, by(each)).sum()))
    return [(each.name, _errors(data, "test", index, model.device, by(each))) for each in fitted]


def _errors(
    data: SequenceDataModule,
    split: str,
    index: list[int],
    device: torch.device,
    errors: Callable[[SequenceBatch], Tensor],
) -> np.ndarray:
    parts = [errors(batch.to(device)) for batch in _batches(data, split, index)]
    return torch.cat(parts).double().cpu().numpy()


def _batches(data: SequenceDataModule, split: str, index: list[int]) -> Iterator[SequenceBatch]:
    """Batches of these sequences in their order, in this process alone."""
    samples, numbers = data.splits[split], iter(index)
    while chunk := list(islice(numbers, CHUNK)):
        yield data.collate([samples[number] for number in chunk])
