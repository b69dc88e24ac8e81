"""The scoreboard as a heat map: tasks × architectures."""

import io
from typing import TYPE_CHECKING

from unroll.report.scoreboard.board import Board, Cell
from unroll.report.scoreboard.published import Task, Unit
from unroll.report.scoreboard.tables import DIFFERS, MAY_DIFFER
from unroll.report.scoreboard.verdict import mean_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def heat_map(board: Board) -> "Figure":
    """A square for each task and architecture: blue is chance or the worst, yellow perfect or the best.

    Our mean stands above what was published.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    tasks, names = board.tasks, board.architectures
    goodness = [[_goodness(board, task, name) for name in names] for task in tasks]
    figure = Figure(figsize=(2.2 + 0.85 * len(names), 1.4 + 0.55 * len(tasks)), layout="constrained")
    axes = figure.add_subplot()
    colours = mpl.colormaps["viridis"].with_extremes(bad="#e8e8e8")
    values = [[float("nan") if value is None else value for value in row] for row in goodness]
    image = axes.imshow(values, cmap=colours, vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8, parse_math=False)
    labels = [f"{task.name} {task.unit.value or task.measure}" for task in tasks]
    axes.set_yticks(range(len(tasks)), labels, fontsize=8, parse_math=False)
    for row, task in enumerate(tasks):
        for column, name in enumerate(names):
            value = goodness[row][column]
            ink = "white" if value is not None and value < 0.6 else "black"
            text = _square(board.cells.get((task.name, name)), task)
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink, parse_math=False)
    axes.set_title("ours, and what was published below", fontsize=9)
    bar = figure.colorbar(image, ax=axes, ticks=[0, 1])
    bar.ax.set_yticklabels(["chance", "perfect"], fontsize=8)
    return figure


def png(board: Board) -> bytes:
    """The heat map as the bytes of a PNG file."""
    buffer = io.BytesIO()
    heat_map(board).savefig(buffer, dpi=120, format="png")
    return buffer.getvalue()


def _square(cell: Cell | None, task: Task) -> str:
    if cell is None or (ours := cell.ours) is None:
        return ""
    mark = {True: DIFFERS, None: MAY_DIFFER, False: ""}[cell.disagrees]
    lines = [mean_text(ours.mean, None, task) + mark]
    if (published := cell.published) is not None:
        lines.append(mean_text(published.value, None, task))
    return "\n".join(lines)


def _goodness(board: Board, task: Task, architecture: str) -> float | None:
    """Where a result lies between chance and perfect; on other data, between the worst and the best."""
    cell = board.cells.get((task.name, architecture))
    if cell is None or (ours := cell.ours) is None:
        return None
    low, high = task.chance, 100.0
    if task.unit is Unit.chance:
        low, high = 1.0, 0.0
    elif task.unit is Unit.metric:
        means = [spread.mean for each in board.column(task) if (spread := each.ours) is not None]
        low, high = (min(means), max(means)) if task.larger_is_better else (max(means), min(means))
    return 1.0 if low == high else min(1.0, max(0.0, (ours.mean - low) / (high - low)))
