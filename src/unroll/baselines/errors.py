"""The errors of the baseline that fits a model's data, on the sequences that the model was tested on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from unroll.baselines.pointwise import fit_pointwise
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
"""On the first so many training sequences it is found which of several baselines fits best."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The summed errors of a model and of its baseline for each test sequence, in order.

    `items` is how many targets each sequence has. `overlap` test sequences next to one another share targets.
    """

    baseline: str
    measure: Measure
    model: np.ndarray
    errors: np.ndarray
    items: np.ndarray
    overlap: int = 1


@torch.no_grad()
def compare(model: SequenceModel, data: SequenceDataModule) -> Compared:
    """A model that was just tested, beside the baseline that fits: fitted on the training part."""
    # Of a single sequence torchmetrics makes numbers.
    index, found, items = (each.reshape(-1) for each in model.errors.compute())
    name, errors = _baseline(model, data, index.tolist())
    return Compared(name, model.measure, found.double().numpy(), errors, items.double().numpy(), data.overlap)


def _baseline(model: SequenceModel, data: SequenceDataModule, index: list[int]) -> tuple[str, np.ndarray]:
    """The name of the baseline, and its errors on these test sequences."""
    train = data.splits["train"]
    if isinstance(model, PointwiseModel):
        fitted = fit_pointwise(model.spec, iter(train.samples))

        def pointwise(batch: SequenceBatch) -> Tensor:
            assert isinstance(model, PointwiseModel)
            return model.errors_of(batch, fitted.outputs(batch, model))[0]

        return fitted.name, _errors(data, "test", index, model.device, pointwise)
    assert isinstance(model, TokenGenerator)
    written: list[TokenBaseline] = [Same(iter(train.samples))]
    if model.spec.signature.inputs is Kind.TOKENS:
        written.append(Copy(model.spec))
    some = list(range(min(len(train), MOST_COMPARED)))

    def by(baseline: TokenBaseline) -> Callable[[SequenceBatch], Tensor]:
        return lambda batch: model.errors_of(batch, baseline.predictions(batch))[0]

    best = min(written, key=lambda each: _errors(data, "train", some, model.device, by(each)).sum())
    return best.name, _errors(data, "test", index, model.device, by(best))


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
