"""The scoreboard as tables of text: for the terminal, for Markdown, and for the page of a report."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table

from unroll.report.scoreboard.board import OWN_DATA, Board, Cell
from unroll.report.scoreboard.published import Certainty, Published, Source, Task, library
from unroll.report.scoreboard.verdict import best_first, mean_text, verdict
from unroll.report.values import NO_VALUE, show

DIFFERS, MAY_DIFFER = "≠", "?"

OURS_LEGEND = f"Mean ± standard deviation of the test data (seeds). {NO_VALUE}: no run."

LEGEND = (
    "Mean ± standard deviation of the test data (seeds) | published. "
    f"{DIFFERS}: the two differ by more than their deviations together, and by more than 2 points of 100 (of "
    f"chance: 0.02). {MAY_DIFFER}: they do by one seed. {NO_VALUE}: no run, or nothing published."
)

COSTS = {
    "parameters": ("parameters", 1.0),
    "numbers in the state": ("state_size", 1.0),
    "ms a sequence to train": ("sequences_per_second", -1e3),
    "ms a sequence to use": ("test_sequences_per_second", -1e3),
    "MB to train": ("memory_bytes", 1e-6),
    "seconds in all": ("seconds", 1.0),
}
"""Costs of a run: the key in results.json, and a factor; a negative one is divided by the value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTable:
    """A table of text; the first column names the row."""

    title: str
    head: list[str]
    rows: list[list[str]]

    def rich(self) -> Table:
        """The table for the terminal."""
        table = Table(title=self.title, title_justify="left")
        for index, name in enumerate(self.head):
            table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """The table for a document."""
        lines = [self.head, ["---", *["---:"] * (len(self.head) - 1)], *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def results(board: Board, title: str, tasks: list[Task]) -> TextTable:
    """Architectures × the tasks of one table: ours beside published."""
    return TextTable(
        title=title,
        head=["architecture", *(f"{task.name} {task.unit.value or task.measure}" for task in tasks)],
        rows=[
            [name, *(cell_text(board.cells.get((task.name, name)), task, name, board) for task in tasks)]
            for name in board.rows(tasks)
        ],
    )


def costs(board: Board, task: Task) -> TextTable:
    """What the architectures of a task cost, the best architecture first."""
    rows = [[cell.architecture, *costs_of(cell).values()] for cell, _ in best_first(board, task)]
    return TextTable(title=f"what they cost: {task.name}", head=["architecture", *COSTS], rows=rows)


def costs_of(cell: Cell) -> dict[str, str]:
    """The mean costs of a cell's runs, by the name of the cost."""
    found = {}
    for name, (key, factor) in COSTS.items():
        value = cell.mean_of(key)
        if value is not None and factor < 0:
            value = -factor / value if value > 0 else None
        elif value is not None:
            value *= factor
        found[name] = show(value)
    return found


def best_costs(board: Board, task: Task) -> str:
    """What the best architecture of a task costs, in a sentence; empty where none has a result."""
    order = best_first(board, task)
    if not order:
        return ""
    cell = order[0][0]
    told = ", ".join(f"{text} {name}" for name, text in costs_of(cell).items() if text != NO_VALUE)
    return f"{cell.architecture} takes {told}."


def below(board: Board, title: str, tasks: list[Task]) -> list[str]:
    """The sentences below a table: which architecture is best, and of a person's own data what it costs."""
    lines = []
    for task in tasks:
        lines.append(verdict(board, task))
        if is_own(title) and (told := best_costs(board, task)):
            lines.append(told)
    return lines


def cell_text(cell: Cell | None, task: Task, architecture: str, board: Board) -> str:
    """What stands in a cell: 97.1 ± 0.4 (3) | 97.2 ± 1.7."""
    published = _published_text(board, task, architecture)
    return ours_text(cell) + (f" | {published}" if published else "")


def ours_text(cell: Cell | None) -> str:
    """Our part of a cell, with the mark of a disagreement."""
    if cell is None:
        return NO_VALUE
    ours = cell.ours
    if ours is None:
        return ", ".join(f"{number} {state}" for state, number in cell.unfinished.items())
    mark = {True: f" {DIFFERS}", None: f" {MAY_DIFFER}", False: ""}[cell.disagrees]
    return f"{mean_text(ours.mean, ours.deviation, cell.task)} ({ours.seeds}){mark}"


def _published_text(board: Board, task: Task, architecture: str) -> str:
    """The published part of a cell; empty where nothing is published of the whole row's table."""
    found = published_of(task, architecture)
    if found is not None:
        return mean_text(found.value, found.spread, task)
    return NO_VALUE if any(published_of(task, name) for name in board.architectures) else ""


def published_of(task: Task, architecture: str) -> Published | None:
    """What was published of an architecture and a task."""
    return library().published(task.name, architecture)


def notes(board: Board, tasks: list[Task]) -> Iterator[str]:
    """Lines below a table: where the published values are from, and which runs are left out."""
    sources: dict[int, tuple[Source, list[Task]]] = {}
    for task in tasks:
        for name in board.architectures:
            if (found := published_of(task, name)) is not None:
                own = sources.setdefault(id(found.source), (found.source, []))[1]
                if task not in own:
                    own.append(task)
    for source, _ in sources.values():
        yield source_text(source)
    for task in tasks:
        rates = [f"{cell.architecture} {cell.rate}" for cell in board.column(task) if cell.rate]
        if rates:
            yield f"{task.name}: of several learning rates the best by validation: {', '.join(rates)}."
        left_out = sum(cell.left_out for cell in board.column(task))
        if left_out:
            yield (
                f"{task.name}: {left_out} run{'s' * (left_out > 1)} with other settings or another "
                "learning rate, or an older run of the same seed, left out."
            )


def source_text(source: Source) -> str:
    """A source in one line: paper, table, protocol and how certain the values are."""
    table = f"table {source.table}" if source.table[0].isdigit() else source.table
    certain = source.certain.value
    if source.certain is not Certainty.unchecked:
        certain += f": {source.read_in}"
    printed = ", ".join(f"{ours} is its {theirs}" for ours, theirs in source.printed.items())
    beside = "; ".join(
        f"{task}: " + ", ".join(f"{name} {value:g}" for name, value in values.items())
        for task, values in source.beside.items()
    )
    parts = [
        f"{source.paper} (arXiv:{source.arxiv}, {table}), {certain}",
        source.protocol,
        printed,
        f"beside ours, {beside}" if beside else "",
    ]
    return ". ".join(part[0].upper() + part[1:] for part in parts if part) + "."


def is_own(title: str) -> bool:
    """Whether a table is that of data which are no task of the scoreboard."""
    return title == OWN_DATA


def legend(title: str) -> str:
    """How to read a table."""
    return OURS_LEGEND if is_own(title) else LEGEND
