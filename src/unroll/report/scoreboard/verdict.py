"""Which architecture is best at a task, and whether seeds alone could make the difference, in a sentence."""

from unroll.report.scoreboard.board import Board, Cell, Spread
from unroll.report.scoreboard.published import Task, Unit
from unroll.report.values import show, show_spread


def best_first(board: Board, task: Task) -> list[tuple[Cell, Spread]]:
    """The cells of a task with what they are compared by, the best one first."""
    known = [(cell, spread) for cell in board.column(task) if (spread := cell.judged) is not None]
    sign = -1 if task.larger_is_better else 1
    return sorted(known, key=lambda pair: sign * pair[1].mean)


def verdict(board: Board, task: Task) -> str:
    """The best architecture of a task, and which others are as good within the spread over seeds.

    Two means differ by more than the spread if they differ by more than their standard deviations together.
    """
    order = best_first(board, task)
    if not order:
        return f"{task.name}: no architecture has a result."
    (best, top), *others = order
    measure, unit = task.judged_by or f"test/{task.measure}", task.unit.value
    reached = f"{mean_text(top.mean, top.deviation, task)} {unit}".strip()
    seeds = f"{top.seeds} seed{'s' * (top.seeds > 1)}"
    begin = f"{task.name}: {best.architecture} is best, with {measure} {reached} ({seeds})"
    if not others:
        return f"{begin}; there is no other to compare it with."
    if top.deviation is None or others[0][1].deviation is None:
        return (
            f"{begin}; with one seed there is no spread to compare the differences with: "
            "add seeds, as seed=1,2,3."
        )
    level = [pair for pair in others if not _apart(top, pair[1])]
    if level:
        named = ", ".join(_named(*pair) for pair in level)
        rest = " All others are worse by more than that." if len(level) < len(others) else ""
        return f"{begin}, but not by more than the spread over seeds; as good: {named}.{rest}"
    return f"{begin}: better than the next, {_named(*others[0])}, by more than the spread over seeds."


def _named(cell: Cell, spread: Spread) -> str:
    return f"{cell.architecture} ({mean_text(spread.mean, spread.deviation, cell.task)})"


def mean_text(mean: float, deviation: float | None, task: Task) -> str:
    """A mean ± its standard deviation, as one writes a value of this unit."""
    match task.unit:
        case Unit.percent:
            return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"
        case Unit.chance:
            return f"{mean:.2g}" if deviation is None else f"{mean:.2g} ± {deviation:.1g}"
        case Unit.metric:
            return show(mean) if deviation is None else show_spread(mean, deviation)


def _apart(one: Spread, other: Spread) -> bool:
    if one.deviation is None or other.deviation is None:
        return False
    return abs(one.mean - other.mean) > one.deviation + other.deviation
