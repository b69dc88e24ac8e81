"""Naive forecasts of the training part: which is best, and how far off it usually is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unroll.spec import ForecastScaling

MOST_STEPS = 48
"""Of a longer horizon so many steps ahead are compared."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A naive forecast, from which a model's outputs are measured.

    Attributes:
        scaling: what is measured from; never `auto`.
        error: for each column, the root mean square of its errors in the series where it is smallest; a
            series where it is zero does not count.
        lowest, highest: the range of each column.

    All but the first are empty where nothing is measured from the window.
    """

    scaling: ForecastScaling
    error: tuple[float, ...] = ()
    lowest: tuple[float, ...] = ()
    highest: tuple[float, ...] = ()


def choose_anchor(
    series: Sequence[np.ndarray],
    scaling: ForecastScaling,
    season: int | None,
    horizon: int,
    std: np.ndarray,
) -> Anchor:
    """The anchor of the training part, from the forecast columns of each series (time, columns).

    `auto` is the forecast with the smallest mean absolute error, over that of the last value, the mean over
    series; the last value is meant by `last`, of several series by `window`. Windows see changes over a
    `season` if it is given. `std` stands for errors that are all zero.
    """
    if scaling is ForecastScaling.training:
        return Anchor(scaling)
    season = season or 1
    errors = [_errors(values, season, horizon) for values in series if len(values) >= season + horizon + 2]
    if scaling is ForecastScaling.auto:
        choices = [ForecastScaling.window if len(series) > 1 else ForecastScaling.last]
        choices += [ForecastScaling.season, ForecastScaling.drift] if season > 1 else []
        scaling = min(choices, key=lambda each: _relative(errors, each))
    kind = scaling if scaling in _ORIGINS else ForecastScaling.last
    roots = np.stack([np.sqrt(np.square(each[kind]).mean(axis=(0, 1))) for each in errors] or [std * 0])
    least = np.where(roots > 0, roots, np.inf).min(axis=0)
    together = np.concatenate(series)
    return Anchor(
        scaling,
        tuple(np.where(np.isinf(least), std, least).tolist()),
        tuple(together.min(axis=0).tolist()),
        tuple(together.max(axis=0).tolist()),
    )


def _relative(errors: Sequence[dict[ForecastScaling, np.ndarray]], scaling: ForecastScaling) -> float:
    if scaling is ForecastScaling.window:
        return 1.0
    sizes = [(np.abs(each[scaling]).mean(), np.abs(each[ForecastScaling.last]).mean()) for each in errors]
    return float(np.mean([error / of_last for error, of_last in sizes if of_last > 0] or [1.0]))


def _errors(values: np.ndarray, season: int, horizon: int) -> dict[ForecastScaling, np.ndarray]:
    """The errors (steps ahead, origins, columns) of each naive forecast."""
    origins = np.arange(season, len(values) - horizon)
    found: dict[ForecastScaling, list[np.ndarray]] = {kind: [] for kind in _ORIGINS}
    for step in np.unique(np.linspace(1, horizon, min(horizon, MOST_STEPS)).astype(int)):
        true, last = values[origins + step], values[origins]
        before = values[origins + (step - 1) % season + 1 - season]
        found[ForecastScaling.last].append(true - last)
        found[ForecastScaling.season].append(true - before)
        found[ForecastScaling.drift].append(true - before - last + values[origins - season])
    return {kind: np.stack(each) for kind, each in found.items()}


_ORIGINS = (ForecastScaling.last, ForecastScaling.season, ForecastScaling.drift)
