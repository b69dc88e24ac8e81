"""The plots of a page. Texts from files are escaped, since Plotly reads some HTML in them."""

from collections.abc import Sequence
from html import escape
from statistics import fmean, stdev

import plotly.graph_objects as go
from plotly.colors import qualitative, sample_colorscale
from plotly.subplots import make_subplots

from unroll.report.comparison import Comparison, Group, Objective
from unroll.report.files import RunSummary
from unroll.report.values import is_wide

MOST_COLOURS = 10
"""More groups than this share a scale of colours."""

MOST_LEGEND_ENTRIES = 30
"""More groups than this get no legend."""

LONGEST_SIDE_LABEL = 45
"""The legend stands below the plot where a label has more characters than this."""

GOOD_TO_BAD = ["#0b3c7d", "#2f9aa8", "#d08c2a"]

PLOTTED_COSTS = ("seconds", "parameters")


def colours(groups: list[Group]) -> dict[str, str]:
    """A colour for each label of a group. Many groups get a scale from good to bad."""
    if len(groups) <= MOST_COLOURS:
        return {group.label: colour for group, colour in zip(groups, qualitative.D3, strict=False)}
    shades = sample_colorscale(GOOD_TO_BAD, [index / len(groups) for index in range(len(groups))])
    return {group.label: shade for group, shade in zip(groups, shades, strict=True)}


def importance(shares: dict[str, dict[str, float]]) -> go.Figure:
    """The importance of each setting, a panel for each objective."""
    figure = make_subplots(1, len(shares), subplot_titles=[escape(name) for name in shares])
    for column, found in enumerate(shares.values(), start=1):
        names = [escape(name) for name in reversed(found)]
        values = list(reversed(found.values()))
        figure.add_bar(x=values, y=names, orientation="h", marker_color="#3366aa", row=1, col=column)
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_traces(hovertemplate="%{y}: %{x:.1%}<extra></extra>", width=0.6)
    most = max(len(found) for found in shares.values())
    return finish(figure, 120 + 34 * most)


def costs(comparison: Comparison, objectives: list[Objective]) -> go.Figure:
    """Each objective against time and against parameters, a point for each run."""
    rows = len(objectives)
    figure = make_subplots(rows, 2, shared_yaxes=True, vertical_spacing=0.25 / rows, horizontal_spacing=0.04)
    colour = colours(comparison.groups)
    named: set[str] = set()
    for row, objective in enumerate(objectives, start=1):
        for column, cost in enumerate(PLOTTED_COSTS, start=1):
            all_x: list[float] = []
            for group in comparison.groups:
                runs = [run for run in group.runs if cost in run.costs and objective.name in run.objectives]
                if not runs:
                    continue
                x = [run.costs[cost] for run in runs]
                all_x += x
                figure.add_scatter(
                    **_points(group, runs, colour),
                    x=x,
                    y=[run.objectives[objective.name] for run in runs],
                    showlegend=group.label not in named,
                    row=row,
                    col=column,
                )
                named.add(group.label)
            figure.update_xaxes(title_text=cost, row=row, col=column)
            if all_x and is_wide(all_x):
                figure.update_xaxes(type="log", dtick="D2", tickformat="~s", row=row, col=column)
        figure.update_yaxes(title_text=escape(objective.name), row=row, col=1)
    return finish(figure, 60 + 340 * rows, comparison.groups)


def seeds(comparison: Comparison, objective: Objective) -> go.Figure:
    """Each group's runs as points, with their mean and sample standard deviation."""
    colour = colours(comparison.groups)
    figure = go.Figure()
    for group in reversed(comparison.groups):
        runs = [run for run in group.runs if objective.name in run.objectives]
        if not runs:
            continue
        values = [run.objectives[objective.name] for run in runs]
        label = escape(group.label)
        figure.add_scatter(**_points(group, runs, colour, opacity=0.45), x=values, y=[label] * len(runs))
        figure.add_scatter(
            x=[fmean(values)],
            y=[label],
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 16, "color": colour[group.label], "line": {"width": 3}},
            error_x={"array": [stdev(values) if len(values) > 1 else 0], "color": colour[group.label]},
            hovertemplate=f"{label}<br>mean %{{x:.4g}} of {len(values)}<extra></extra>",
        )
    figure.update_xaxes(title_text=escape(objective.name))
    return finish(figure, 110 + 32 * len(comparison.groups))


def trade_off(comparison: Comparison) -> go.Figure:
    """The first two objectives against each other. The line is the Pareto front."""
    first, second = comparison.objectives[:2]
    colour = colours(comparison.groups)
    figure = go.Figure()
    for group in comparison.groups:
        runs = [run for run in group.runs if {first.name, second.name} <= run.objectives.keys()]
        x = [run.objectives[first.name] for run in runs]
        y = [run.objectives[second.name] for run in runs]
        figure.add_scatter(**_points(group, runs, colour), x=x, y=y)
    front = sorted(comparison.front([first, second]), key=first.loss)
    figure.add_scatter(
        x=[run.objectives[first.name] for run in front],
        y=[run.objectives[second.name] for run in front],
        mode="lines",
        line={"color": "#888", "dash": "dot"},
        name="front",
        hoverinfo="skip",
    )
    figure.update_xaxes(title_text=escape(first.name))
    figure.update_yaxes(title_text=escape(second.name))
    return finish(figure, 420, comparison.groups)


def _points(
    group: Group, runs: list[RunSummary], colour: dict[str, str], opacity: float = 0.85
) -> dict[str, object]:
    return {
        "mode": "markers",
        "marker": {"color": colour[group.label], "size": 9, "opacity": opacity},
        "name": escape(group.label),
        "legendgroup": escape(group.label),
        "text": [escape(run.name) for run in runs],
        "hovertemplate": f"<b>%{{text}}</b>  {escape(group.label)}<br>%{{x:.4g}}, %{{y:.4g}}<extra></extra>",
    }


def finish(figure: go.Figure, height: int, groups: Sequence[Group] = ()) -> go.Figure:
    """Give a plot the look that all plots share. `height` is in pixels; several `groups` get a legend."""
    longest = max((len(group.label) for group in groups), default=0)
    named = 1 < len(groups) <= MOST_LEGEND_ENTRIES
    below = 22 * len(groups) + 20 if named and longest > LONGEST_SIDE_LABEL else 0
    figure.update_layout(
        template="plotly_white",
        height=height + below,
        showlegend=named,
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#1d2430"},
        margin={"l": 90, "r": 20, "t": 55, "b": 45 + below},
    )
    if below:
        figure.update_layout(legend={"x": 0, "y": -55 / (height - 100), "yanchor": "top"})
    return figure
