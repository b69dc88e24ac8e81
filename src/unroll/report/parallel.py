"""The plot of parallel coordinates, with axes for words and for numbers."""

import math
from html import escape
from typing import Any

import plotly.graph_objects as go

from unroll.report.comparison import Comparison, Objective
from unroll.report.figures import GOOD_TO_BAD, finish
from unroll.report.settings import setting
from unroll.report.values import is_wide, number_of, place, show_setting

MOST_TICKS = 8
"""Up to this many different values have one tick each. More numbers get a scale."""


def parallel(comparison: Comparison, objective: Objective) -> go.Figure:
    """A line for each run that has the objective, through its settings to its results."""
    runs = comparison.runs_with(objective)
    columns = {key: [setting(run, key) for run in runs] for key in comparison.settings.varied}
    axes = [
        {"label": escape(comparison.settings.short(key)), **_axis(column)}
        for key, column in columns.items()
        if len(set(column)) > 1
    ]
    ends = [each for each in comparison.objectives if all(each.name in run.objectives for run in runs)]
    axes += [
        {"label": escape(end.name), "values": [run.objectives[end.name] for run in runs]} for end in ends
    ]
    line = {
        "color": [run.objectives[objective.name] for run in runs],
        "colorscale": GOOD_TO_BAD,
        "reversescale": objective.larger_is_better,
        "showscale": True,
    }
    figure = go.Figure(go.Parcoords(dimensions=axes, line=line, unselected={"line": {"opacity": 0.1}}))
    longest = max(map(len, axes[0].get("ticktext", [""])))
    return finish(figure, 430).update_layout(margin_l=min(max(90, 8 * longest), 300))


def _axis(texts: list[str]) -> dict[str, Any]:
    """The places of settings on an axis, and the ticks beside it."""
    numbers = {text: number_of(text) for text in texts}
    known = [number for number in numbers.values() if number is not None]
    if len(known) < len(numbers) or len(numbers) <= MOST_TICKS:
        order = sorted(numbers, key=place)
        places = {text: index for index, text in enumerate(order)}
        ticks = {"tickvals": list(places.values()), "ticktext": [show_setting(text) for text in order]}
        return {"values": [places[text] for text in texts], **ticks}
    values = [float(text) for text in texts]
    if not is_wide(values):
        return {"values": values}
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    return {
        "values": [math.log10(value) for value in values],
        "tickvals": list(powers),
        "ticktext": [f"{10.0**power:g}" for power in powers],
        "range": [powers[0], powers[-1]],
    }
