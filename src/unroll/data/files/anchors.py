"""Naive forecasts of the training part: which is best, and how far off it usually is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unroll.spec import ForecastScaling

MUCH_BETTER = 0.7
"""Forecasts are measured from the last season where its error is below this share of the last value's."""

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
    *,
    planned: bool = False,
) -> Anchor:
    """The anchor of the training part, from the forecast columns of each series (time, columns).

    `auto` compares their mean absolute errors, the mean over series. A `season` is given where windows hold
    one. `std` stands for errors that are all zero. `planned` says that columns are known ahead: what they
    changed in the last season would stand in all that is measured from it, and `auto` takes the window.
    """
    if scaling is ForecastScaling.training:
        return Anchor(scaling)
    season = season or 1
    errors = [_errors(values, season, horizon) for values in series if len(values) >= season + horizon + 2]
    if scaling is ForecastScaling.auto:
        scaling = ForecastScaling.window if planned or len(series) > 1 else ForecastScaling.last
        if season > 1 and not planned and _share(errors) < MUCH_BETTER:
            scaling = ForecastScaling.season
    by_season = scaling is ForecastScaling.season
    roots = np.stack([np.sqrt(np.square(each[by_season]).mean(axis=(0, 1))) for each in errors] or [std * 0])
    least = np.where(roots > 0, roots, np.inf).min(axis=0)
    together = np.concatenate(series)
    return Anchor(
        scaling,
        tuple(np.where(np.isinf(least), std, least).tolist()),
        tuple(together.min(axis=0).tolist()),
        tuple(together.max(axis=0).tolist()),
    )


def _share(errors: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The errors of the last season over those of the last value, the mean over series."""
    sizes = [(np.abs(last).mean(), np.abs(season).mean()) for last, season in errors]
    return float(np.mean([season / last for last, season in sizes if last > 0] or [1.0]))


def _errors(values: np.ndarray, season: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """The errors (steps ahead, origins, columns) of the last value, and of the values of the last season."""
    origins = np.arange(season, len(values) - horizon)
    steps = np.unique(np.linspace(1, horizon, min(horizon, MOST_STEPS)).astype(int))[:, None]
    true = values[origins + steps]
    return true - values[origins], true - values[origins + (steps - 1) % season + 1 - season]
