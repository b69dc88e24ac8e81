"""Baselines of models with one output for each target. They answer in the form of such a model's outputs."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from unroll.batch import SequenceBatch
from unroll.data.collate import Sample
from unroll.models.naive import naive_forecast, naive_seasons
from unroll.models.pointwise import PointwiseModel
from unroll.models.targets import ValueTarget
from unroll.spec import IGNORED, Alignment, DataSpec, Kind

SMOOTHING = 0.5
"""Is added to the counts of labels, so that one that never came is not impossible."""


class PointwiseBaseline(ABC):
    """A baseline that was fitted on the training part."""

    name: str

    @abstractmethod
    def outputs(self, batch: SequenceBatch, model: PointwiseModel) -> Float[Tensor, "batch *time outputs"]:
        """What it says of a batch, in the form of `model`'s outputs: logits, or scaled values."""


class Constant(PointwiseBaseline):
    """The same outputs for all: the most frequent class, the frequencies of labels, or the mean."""

    def __init__(self, name: str, answer: Float[Tensor, " outputs"]) -> None:
        self.name = name
        self.answer = answer

    def outputs(self, batch: SequenceBatch, model: PointwiseModel) -> Float[Tensor, "batch *time outputs"]:
        answer = self.answer.to(batch.lengths.device)
        if isinstance(model.target, ValueTarget):
            answer = model.target.scaling(answer)
        return answer.expand(*_places(batch, model.spec), len(answer))


class ByWord(PointwiseBaseline):
    """The most frequent class of each word; of an unknown word the most frequent class of all."""

    name = "most frequent tag of each word"

    def __init__(self, counts: Float[Tensor, "words classes"]) -> None:
        total = counts.sum(dim=0)
        self.answers = torch.where(counts.sum(dim=1, keepdim=True) > 0, counts, total)

    def outputs(self, batch: SequenceBatch, model: PointwiseModel) -> Float[Tensor, "batch time outputs"]:
        return self.answers.to(batch.inputs.device)[batch.inputs]


class Naive(PointwiseBaseline):
    """The values of one season before; a season of 1 repeats the last value."""

    def __init__(self, season: int) -> None:
        self.season = season
        self.name = "naive forecast" if season == 1 else f"seasonal naive forecast ({season} steps back)"

    def outputs(self, batch: SequenceBatch, model: PointwiseModel) -> Float[Tensor, "batch *time outputs"]:
        forecast = naive_forecast(batch, model.spec, self.season)
        assert forecast is not None
        assert isinstance(model.target, ValueTarget)
        scaled: Tensor = model.target.scaling(forecast)
        return scaled


def fit_pointwise(spec: DataSpec, train: Iterable[Sample]) -> list[PointwiseBaseline]:
    """The baselines that fit data of this kind, from their training part: several only of forecasts."""
    if spec.target_inputs and spec.signature.targets is Kind.CONTINUOUS:
        return [Naive(season) for season in naive_seasons(spec).values()]
    return [_fit(spec, train)]


def _fit(spec: DataSpec, train: Iterable[Sample]) -> PointwiseBaseline:
    signature = spec.signature
    if signature.targets is Kind.CONTINUOUS:
        rows = torch.cat([_targets(sample).view(-1, spec.target_size) for sample in train])
        return Constant("mean", rows.double().mean(dim=0).float())
    if signature.targets is Kind.LABELS:
        rows = torch.cat([_targets(sample).view(-1, spec.target_size) for sample in train])
        share = (rows.sum(dim=0) + SMOOTHING) / (len(rows) + 2 * SMOOTHING)
        return Constant("frequency of each label", share.logit())
    if signature.alignment is Alignment.STEP and signature.inputs is Kind.TOKENS:
        counts = torch.zeros(spec.input_size, spec.target_size)
        for sample in train:
            known = _targets(sample) != IGNORED
            places = sample.inputs[known], _targets(sample)[known]
            counts.index_put_(places, torch.ones(int(known.sum())), accumulate=True)
        return ByWord(counts)
    classes = torch.cat([_targets(sample).flatten() for sample in train])
    counts = torch.bincount(classes[classes != IGNORED], minlength=spec.target_size)
    return Constant("majority class", counts.float())


def _places(batch: SequenceBatch, spec: DataSpec) -> tuple[int, ...]:
    """The shape of the targets of a batch, without the outputs of each."""
    assert batch.targets is not None
    if spec.signature.targets is Kind.CLASSES:
        return tuple(batch.targets.shape)
    return tuple(batch.targets.shape[:-1])


def _targets(sample: Sample) -> Tensor:
    assert sample.targets is not None
    return sample.targets
