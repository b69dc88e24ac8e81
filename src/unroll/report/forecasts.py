"""What the page tells of forecasts: errors over the steps ahead, and those of each series."""

from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from unroll.report.comparison import Comparison
from unroll.report.curves import MOST_CURVES
from unroll.report.figures import colours, finish
from unroll.report.files import RunSummary
from unroll.report.tables import SortableTable, number_cell, word
from unroll.report.values import number_of

MOST_FEATURES = 4
"""Features of which the errors are drawn."""

NAIVE = {"naive_mae": ("naive forecast", "dot"), "seasonal_naive_mae": ("seasonal naive forecast", "dash")}


def ahead(comparison: Comparison) -> go.Figure | None:
    """MAE over the steps ahead, a line for each run and a panel for each feature; None without several steps.

    The naive forecasts are those of the test data of the best run.
    """
    chosen = {run.name: run for run in comparison.runs if any(map(_is_long, run.ahead.values()))}
    if not chosen:
        return None
    best, *_ = runs = list(chosen.values())[:MOST_CURVES]
    features, colour = list(best.ahead)[:MOST_FEATURES], colours(comparison.groups)
    figure = make_subplots(len(features), 1, shared_xaxes=True, vertical_spacing=0.25 / len(features))
    for row, feature in enumerate(features, start=1):
        for group in comparison.groups:
            for at, run in enumerate(run for run in group.runs if run in runs):
                look = {"color": colour[group.label], "width": 1.6}
                _add(figure, run, feature, "mae", row, group.label, look, legend=row == 1 and at == 0)
        for kind, (name, dash) in NAIVE.items():
            _add(figure, best, feature, kind, row, name, {"color": "#777", "dash": dash}, legend=row == 1)
        figure.update_yaxes(title_text=f"MAE of {escape(feature)}", rangemode="tozero", row=row, col=1)
    figure.update_xaxes(title_text="steps ahead", row=len(features), col=1)
    return finish(figure, 120 + 300 * len(features), comparison.groups).update_layout(showlegend=True)


def series(run: RunSummary) -> SortableTable | None:
    """The errors of each series of a run; None where it tells of none."""
    if len(run.series) < 2:
        return None
    head, *rows = run.series
    return SortableTable(
        head=head,
        rows=[[word(name), *(number_cell(number_of(text)) for text in rest)] for name, *rest in rows],
    )


def _is_long(errors: dict[str, list[float]]) -> bool:
    return len(errors.get("mae", ())) > 1


def _add(
    figure: go.Figure,
    run: RunSummary,
    feature: str,
    kind: str,
    row: int,
    name: str,
    line: dict[str, Any],
    *,
    legend: bool,
) -> None:
    """Add a line, where the run has these errors."""
    errors = run.ahead.get(feature, {}).get(kind)
    if errors:
        figure.add_scatter(
            x=list(range(1, len(errors) + 1)),
            y=errors,
            mode="lines+markers" if len(errors) < 40 else "lines",
            marker={"size": 4},
            line=line,
            name=escape(name),
            legendgroup=escape(name),
            showlegend=legend,
            hovertemplate=f"<b>{escape(run.name)}</b>  {escape(name)}<br>"
            "%{x} ahead: %{y:.4g}<extra></extra>",
            row=row,
            col=1,
        )
