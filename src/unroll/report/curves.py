"""The plot of learning curves."""

from html import escape
from math import isfinite
from statistics import median_low
from typing import Any

import plotly.graph_objects as go

from unroll.report.comparison import Comparison
from unroll.report.figures import colours, finish

MOST_CURVES = 100
"""Only the curves of this many best runs are drawn."""

OUTLIER_FACTOR = 10
"""Values this many times larger than the usual largest value lie outside the first view."""


def curves(comparison: Comparison, metrics: list[str]) -> go.Figure:
    """The metrics of the best runs over the training steps. A list above the plot chooses the metric."""
    chosen = {run.name for run in comparison.runs[:MOST_CURVES]}
    colour = colours(comparison.groups)
    figure = go.Figure()
    shown: list[str] = []
    for metric in metrics:
        for group in comparison.groups:
            first = True
            for run in group.runs:
                if metric not in run.curves or run.name not in chosen:
                    continue
                curve = run.curves[metric]
                figure.add_scatter(
                    x=curve.steps,
                    y=curve.values,
                    customdata=curve.epochs,
                    mode="lines+markers" if len(curve.steps) < 40 else "lines",
                    marker={"size": 4},
                    line={"color": colour[group.label], "width": 1.6},
                    name=escape(group.label),
                    legendgroup=escape(group.label),
                    showlegend=first,
                    visible=metric == metrics[0],
                    hovertemplate=f"<b>{escape(run.name)}</b>  {escape(group.label)}<br>"
                    f"step %{{x}}, epoch %{{customdata}}: %{{y:.4g}}<extra></extra>",
                )
                shown.append(metric)
                first = False
    axes = {metric: _axis(comparison, metric) for metric in metrics}
    buttons = [
        {
            "label": escape(metric),
            "method": "update",
            "args": [
                {"visible": [each == metric for each in shown]},
                {f"yaxis.{key}": value for key, value in axis.items()},
            ],
        }
        for metric, axis in axes.items()
    ]
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "bgcolor": "white"}
    figure.update_layout(updatemenus=[menu], hovermode="closest")
    figure.update_xaxes(title_text="step")
    figure.update_yaxes({key.replace(".", "_"): value for key, value in axes[metrics[0]].items()})
    return finish(figure, 480, comparison.groups)


def _axis(comparison: Comparison, metric: str) -> dict[str, Any]:
    """Plotly's settings for the axis of a metric."""
    limits = window(comparison, metric)
    reach = {"autorange": True} if limits is None else {"autorange": False, "range": limits}
    return {"title.text": escape(metric), **reach}


def window(comparison: Comparison, metric: str) -> tuple[float, float] | None:
    """The range of most runs, if outliers would flatten their curves; None if there are no outliers."""
    curves = [run.curves[metric].values for run in comparison.runs if metric in run.curves]
    finite = [[value for value in values if isfinite(value)] for values in curves]
    reached = [max(map(abs, values)) for values in finite if values]
    far = OUTLIER_FACTOR * median_low(reached) if reached else 0.0
    near = [value for values in finite for value in values if abs(value) <= far]
    if not near or max(reached) <= far:
        return None
    margin = 0.05 * (max(near) - min(near))
    return min(near) - margin, max(near) + margin
