"""Measures what is forecast from a naive forecast of its window, and back."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import SequenceBatch, mask_from_lengths
from unroll.nn.scaling import Scaling
from unroll.spec import Alignment, DataSpec, ForecastScaling

MOST_LOG_UNIT = 4.0
"""What a model is told of the unit of a window ends here."""

LEAST_SHARE = 0.1
"""The unit of a window is at least this share of `least_error` of the data. Some windows are constant."""


class Frame(NamedTuple):
    """What the outputs of windows are measured from, and their unit, in the scale of the training part.

    There is one origin for each step ahead, or one for all; for targets at each step one for each step.
    `known` are the forecast features, from their last value and in that unit; with targets at each step, as
    they are.
    """

    origin: Float[Tensor, "batch #steps features"]  # noqa: F821
    unit: Float[Tensor, "batch 1 features"]
    known: Float[Tensor, "batch time features"]


class WindowScaling(nn.Module):
    """Measures forecast features from a naive forecast, as NLinear does from the last value (Zeng et al.
    2023, arXiv:2205.13504), in units of the window's own deviation, as RevIN does (Kim et al. 2022).

    A model whose outputs are zero is that naive forecast, and series of any level and size look alike. Inputs
    are measured from the last value. Where outputs are measured from it, too, further inputs are this value
    itself, within the range that training has seen, and the logarithm of the unit, the same at all steps:
    many series return to their mean. Where windows are longer than a season, the changes over one are, too.

    With targets at each step, outputs are measured from the value at their step; inputs are not moved, since
    their last value would tell of later steps.

    Attributes:
        output_size: the number of inputs with those that are added.
    """

    least: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.scaling = Scaling.of_inputs(spec)
        self.features = list(spec.target_inputs)
        self.how, self.season, self.horizon = spec.scaling, spec.season, spec.horizon
        self.by_step = spec.signature.alignment is Alignment.STEP
        self.seasonal = self.how is ForecastScaling.season and not self.by_step
        self.has_units = self.how is not ForecastScaling.last and not self.by_step
        self.sees_season = self.seasonal or (1 < self.season < spec.length and not self.by_step)
        told = 0 if self.by_step or self.seasonal else 1 + self.has_units
        self.output_size = spec.input_size + (told + self.sees_season) * len(self.features)
        std = torch.tensor([spec.input_std[feature] for feature in self.features])
        mean = torch.tensor([spec.input_mean[feature] for feature in self.features], dtype=torch.double)
        for name, ends in (("low", spec.lowest), ("high", spec.highest)):
            end = (torch.tensor(ends, dtype=torch.double) - mean) / std
            self.register_buffer(name, end.float(), persistent=False)
        self.register_buffer("least", LEAST_SHARE * torch.tensor(spec.least_error) / std, persistent=False)

    def forward(
        self, x: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time outputs"]:
        """Scaled inputs, measured from their window. What stands in padding has no meaning."""
        if self.by_step:
            return x
        known = x[..., self.features].float()
        last = _last(known, lengths)
        from_last = known - last
        unit = self._unit(from_last - _mean(from_last, lengths), lengths)
        features = torch.tensor(self.features, device=x.device)
        parts = [x.index_copy(-1, features, (from_last / unit).to(x.dtype))]
        if self.sees_season:
            changes = self._changes(known)
            parts.append(changes / self._unit(changes, lengths))
        if not self.seasonal:
            parts.append(last.clamp(self.low, self.high).expand_as(known))
            if self.has_units:
                parts.append(unit.log().clamp(-MOST_LOG_UNIT, MOST_LOG_UNIT).expand_as(known))
        return torch.cat([part.to(x.dtype) for part in parts], dim=-1)

    def frame(self, batch: SequenceBatch) -> Frame:
        """The frame of each window of a batch."""
        known = self.scaling(batch.inputs)[..., self.features].float()
        if self.by_step:
            return Frame(known, torch.ones_like(known[:, :1]), known)
        lengths = batch.lengths
        origin = last = _last(known, lengths)
        from_last = known - last
        if self.seasonal:
            origin = last_season(known, lengths, self.season, self.horizon)
            unit = self._unit(self._changes(known), lengths)
        else:
            unit = self._unit(from_last - _mean(from_last, lengths), lengths)
        return Frame(origin, unit, from_last / unit)

    def _changes(self, known: Float[Tensor, "batch time features"]) -> Float[Tensor, "batch time features"]:
        """The changes over a season; 0 where no season has passed."""
        changes = known[:, self.season :] - known[:, : -self.season]
        return torch.cat([torch.zeros_like(known[:, : self.season]), changes], dim=1)

    def _unit(
        self, distances: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch 1 features"]:
        """The root of the mean square of distances, of valid steps; 1 for `last`."""
        if not self.has_units:
            return torch.ones_like(distances[:, :1])
        return (_mean(distances.square(), lengths) + self.least.square()).sqrt()


def last_season(
    known: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"], season: int, horizon: int
) -> Float[Tensor, "batch horizon features"]:
    """The values of one season before each step ahead. A sequence shorter than a season repeats its last."""
    last = lengths[:, None] - 1
    ahead = torch.arange(horizon, device=known.device)[None]
    source = torch.where(last + 1 >= season, last - season + 1 + ahead % season, last)
    return known.gather(1, source[..., None].expand(-1, -1, known.shape[-1]))


def _last(
    known: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch 1 features"]:
    """The values of the last valid step."""
    return known.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, known.shape[-1]))


def _mean(
    values: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch 1 features"]:
    """The mean over valid steps."""
    valid = mask_from_lengths(lengths, values.shape[1])[..., None]
    return values.where(valid, 0.0).sum(dim=1, keepdim=True) / lengths[:, None, None]
