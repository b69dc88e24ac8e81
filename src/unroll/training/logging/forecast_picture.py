"""Draws forecasts beside what came true."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unroll.data.samples import Steps
from unroll.models.base import Forecast

KNOWN_SHARE = 1 / 3
"""Of the width, at most so much is for what was known before a forecast."""

MOST_TIMES = 6
"""Below a panel."""


def draw_forecasts(forecasts: Sequence[tuple[Forecast, Steps | None]], what: str, path: Path) -> None:
    """Known, true, predicted and naive values and a band of quantiles, one panel for each sequence, with its
    name and times.

    `what` names the values.
    """
    figure = Figure(figsize=(10, 0.6 + 2.4 * len(forecasts)), layout="constrained")
    panels = figure.subplots(len(forecasts), 1, squeeze=False)[:, 0]
    for axes, (forecast, steps) in zip(panels, forecasts, strict=True):
        _draw(axes, forecast)
        if steps is not None:
            axes.set_title(steps.name, fontsize=9, loc="left", parse_math=False)
        if steps is not None and steps.times:
            low, high = (math.ceil(limit) for limit in axes.get_xlim())
            shown = range(max(0, low), min(len(steps.times), high))
            ticks = shown[:: math.ceil(len(shown) / MOST_TIMES)]
            axes.set_xticks(ticks, [steps.times[tick] for tick in ticks], parse_math=False)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=5, loc="outside upper right")
    figure.suptitle(f"Forecasts of {what}, test data", x=0.01, ha="left", fontsize=11, parse_math=False)
    if all(steps is None or not steps.times for _, steps in forecasts):
        figure.supxlabel("step")
    figure.savefig(path, dpi=120)


def _draw(axes: Axes, forecast: Forecast) -> None:
    """The lines of one forecast. Each goes on from the last known value."""
    ahead = range(forecast.start, forecast.start + len(forecast.true))
    before = max(1, round(len(ahead) * KNOWN_SHARE / (1 - KNOWN_SHARE)))
    first = max(0, forecast.start - before)
    last = forecast.known[forecast.start - 1]
    joined = [forecast.start - 1, *ahead]
    known = range(first, forecast.start)
    axes.plot(known, [forecast.known[step] for step in known], color="0.6", label="known")
    if forecast.band is not None:
        low, high, share = forecast.band
        name = f"{100 * share:g}% of true values"
        axes.fill_between(joined, [last, *low], [last, *high], color="tab:blue", alpha=0.15, lw=0, label=name)
    axes.plot(joined, [last, *forecast.naive], color="tab:orange", ls=":", label="naive")
    axes.plot(joined, [last, *forecast.true], color="black", label="true")
    axes.plot(joined, [last, *forecast.predicted], color="tab:blue", ls="--", label="predicted")
    if len(ahead) <= 60:
        axes.plot(ahead, forecast.true, color="black", marker=".", ls="")
        axes.plot(ahead, forecast.predicted, color="tab:blue", marker=".", ls="")
    axes.axvline(forecast.start - 1, color="0.8", lw=0.8, zorder=0)
    axes.grid(alpha=0.3)
