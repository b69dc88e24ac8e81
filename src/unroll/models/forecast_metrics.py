"""The errors of forecasts beside those of the naive ones: in all, at each step ahead, and of each series."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from unroll.batch import SequenceBatch, mask_from_lengths, on_host
from unroll.models.naive import naive_forecast, naive_seasons
from unroll.spec import Alignment, DataSpec, Kind


def is_forecast(spec: DataSpec) -> bool:
    """Whether the targets are future values of inputs."""
    return bool(spec.target_inputs) and spec.signature.targets is Kind.CONTINUOUS


class ForecastErrors(Metric):
    """Absolute errors of a model and of the naive forecasts, on the same windows.

    MASE (Hyndman & Koehler 2006) is the MAE of a series over that of the forecast that repeats the value of a
    season ago, one step ahead, in the training part of the same series; the mean over features and then over
    series. A feature that does not change there has none. Data that tell of no series are one series.

    A window is a sequence. With a target for each step, all its steps are one step ahead.
    """

    full_state_update = False
    by_step: Tensor
    rows: Tensor
    by_series: list[Tensor] | Tensor

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec
        self.seasons = naive_seasons(spec)
        self.prefixes = ("", *(f"{name}_" for name in self.seasons))
        self.features = len(spec.target_inputs)
        self.one_ahead = spec.signature.alignment is Alignment.STEP
        steps = 1 if self.one_ahead else spec.horizon
        sums = torch.zeros(1 + len(self.seasons), steps, self.features, dtype=torch.double)
        self.add_state("by_step", sums, dist_reduce_fx="sum")
        self.add_state("rows", torch.zeros(steps, dtype=torch.double), dist_reduce_fx="sum")
        # A row for each series of a batch: its number, its windows, its steps, errors and scales by feature.
        self.add_state("by_series", [], dist_reduce_fx="cat")

    def update(self, batch: SequenceBatch, forecast: Float[Tensor, "batch *time outputs"]) -> None:
        """Add the windows of a batch, and what a model forecasts for them in the units of the batch."""
        assert batch.targets is not None
        naive = [naive_forecast(batch, self.spec, season) for season in self.seasons.values()]
        true = batch.targets.reshape(len(batch), -1, self.features)
        found = [
            each.reshape(len(batch), -1, self.features)[:, : true.shape[1]]
            for each in (forecast, *naive)
            if each is not None
        ]
        steps = batch.lengths if self.one_ahead else batch.target_lengths
        mask = torch.ones_like(true[..., 0], dtype=torch.bool)
        if steps is not None:
            mask = mask_from_lengths(steps, true.shape[1])
        errors = torch.stack([(each - true).abs() for each in found]).double()
        errors = errors.where(mask[..., None], 0.0)  # (forecasts, batch, time, features)
        summed, counted = errors.sum(dim=1), mask.double().sum(dim=0)
        if self.one_ahead:
            summed, counted = summed.sum(dim=1, keepdim=True), counted.sum(dim=0, keepdim=True)
        self.by_step[:, : summed.shape[1]] += summed
        self.rows[: len(counted)] += counted
        assert isinstance(self.by_series, list)
        self.by_series.append(self._of_series(batch, errors.sum(dim=2), mask.double().sum(dim=1)))

    def _of_series(
        self, batch: SequenceBatch, errors: Float[Tensor, "forecasts batch features"], steps: Tensor
    ) -> Float[Tensor, "series columns"]:
        """The rows of `by_series` for a batch."""
        if batch.series is None or batch.naive_error is None:
            numbers, place = torch.zeros(1, dtype=torch.long), torch.zeros(len(batch), dtype=torch.long)
            own = self.spec.naive_error or (torch.nan,) * self.features
            scales = torch.tensor(own, dtype=torch.double).expand(len(batch), -1)
        else:
            numbers, place = torch.unique(on_host(batch.series), return_inverse=True)
            scales = batch.naive_error.double()
        device = errors.device
        numbers, place = (each.to(device, non_blocking=True) for each in (numbers, place))
        counts = torch.stack([torch.ones_like(steps), steps], dim=1)
        summed = torch.cat([counts, errors.transpose(0, 1).flatten(1)], dim=1)
        sums = torch.zeros(len(numbers), summed.shape[1], dtype=torch.double, device=device)
        sums = sums.index_add(0, place, summed)
        own_scales = torch.zeros(len(numbers), self.features, dtype=torch.double, device=device)
        own_scales = own_scales.index_copy(0, place, scales.to(device))
        return torch.cat([numbers.double()[:, None], sums, own_scales], dim=1)

    def compute(self) -> dict[str, Tensor]:
        """MASE, and MAE and MASE of the naive forecasts, over all windows of all processes."""
        mae = self.by_step.sum(dim=1) / self.rows.sum()  # (forecasts, features)
        _, _, errors, scales = self._summed()
        values = {}
        mase = (errors / scales[:, None]).nanmean(dim=2)  # (series, forecasts)
        known = not bool(mase.isnan().all())
        for at, prefix in enumerate(self.prefixes):
            if prefix:
                values[f"{prefix}mae"] = mae[at].mean()
            if known:
                values[f"{prefix}mase"] = mase[:, at].nanmean()
        return {name: value.float() for name, value in values.items()}

    def details(self) -> dict[str, Any]:
        """The MAE of each forecast by step and feature, and what is known of each series, as plain values."""
        with self.sync_context(should_sync=True):
            found = {
                f"{prefix}mae": (self.by_step[at] / self.rows[:, None]).tolist()
                for at, prefix in enumerate(self.prefixes)
            }
            return {"error_by_step": found, "error_by_series": self._each_series()}

    def _each_series(self) -> list[dict[str, int | float]]:
        """Of each series its number, its windows, and the errors of each forecast."""
        numbers, windows, errors, scales = self._summed()
        columns = {"number": numbers, "windows": windows}
        for name, values in {"mae": errors, "mase": errors / scales[:, None]}.items():
            means = values.nanmean(dim=2)
            columns |= {f"{prefix}{name}": means[:, at] for at, prefix in enumerate(self.prefixes)}
        return [
            dict(zip(columns, row, strict=True))
            for row in zip(*(column.tolist() for column in columns.values()), strict=True)
        ]

    def _summed(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of each series: its number, its windows, mean errors (series, forecasts, features) and scales.

        A scale is NaN where a feature does not change.
        """
        rows = torch.cat(self.by_series) if isinstance(self.by_series, list) else self.by_series
        numbers, place = torch.unique(rows[:, 0].long(), return_inverse=True)
        sums = torch.zeros(len(numbers), rows.shape[1], dtype=torch.double, device=rows.device)
        sums = sums.index_add(0, place, rows)
        scales = torch.zeros(len(numbers), self.features, dtype=torch.double, device=rows.device)
        scales = scales.index_copy(0, place, rows[:, -self.features :])
        errors = sums[:, 3 : -self.features].reshape(len(numbers), -1, self.features)
        return numbers, sums[:, 1], errors / sums[:, 2, None, None], scales.where(scales > 0, torch.nan)
