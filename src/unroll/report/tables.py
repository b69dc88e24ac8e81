"""The tables of a page, as plain text, which the template escapes."""

from dataclasses import dataclass
from statistics import fmean, stdev

from unroll.report.comparison import Comparison
from unroll.report.scoreboard.tables import TextTable
from unroll.report.settings import SEED, setting
from unroll.report.values import NO_VALUE, number_of, show, show_setting, show_spread

COST_COLUMNS = ("parameters", "epochs", "seconds")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableCell:
    """`text` is shown, `order` sorts the column (an empty one comes last). `kind` is a CSS class."""

    text: str
    order: str
    kind: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SortableTable:
    """A table that is sorted by a click on a heading. It has at least one row."""

    head: list[str]
    rows: list[list[TableCell]]

    def columns(self) -> list[tuple[str, str]]:
        """Each column's heading and CSS class: number, or none."""
        kinds = ["number" if cell.kind == "number" else "" for cell in self.rows[0]]
        return list(zip(self.head, kinds, strict=True))


def runs(comparison: Comparison) -> SortableTable:
    """A row for each run, the best one first."""
    settings, objectives = comparison.settings, comparison.objectives
    tests = list(dict.fromkeys(name for run in comparison.runs for name in run.test))
    told = {cost for run in comparison.runs for cost in run.costs} - {each.name for each in objectives}
    costs = [cost for cost in COST_COLUMNS if cost in told]
    head = ["run", "state", *(each.name for each in objectives), *map(settings.short, settings.varied)]
    head += [f"test/{name}" for name in tests] + costs
    rows = []
    for run in comparison.runs:
        row = [word(run.name), TableCell(text=run.state, order=run.state, kind=f"state {run.state}")]
        row += [number_cell(run.objectives.get(each.name, run.costs.get(each.name))) for each in objectives]
        row += [_setting(setting(run, key)) for key in settings.varied]
        row += [number_cell(run.test.get(name)) for name in tests]
        row += [number_cell(run.costs.get(cost)) for cost in costs]
        rows.append(row)
    return SortableTable(head=head, rows=rows)


def seeds(comparison: Comparison) -> SortableTable:
    """A row for each group: mean ± sample standard deviation of objectives and test metrics."""
    settings = comparison.settings
    tests = list(dict.fromkeys(name for run in comparison.runs for name in run.test))
    keys = [key for key in settings.varied if key != SEED]
    head = [*map(settings.short, keys), "seeds"]
    head += [each.name for each in comparison.objectives] + [f"test/{name}" for name in tests]
    rows = []
    for group in comparison.groups:
        measured = [run for run in group.runs if run.objectives or run.test]
        row = [_setting(group.settings[key]) for key in keys]
        row.append(number_cell(float(len({setting(run, SEED) for run in measured}))))
        row += [
            _spread([run.objectives.get(each.name) for run in measured]) for each in comparison.objectives
        ]
        row += [_spread([run.test.get(name) for run in measured]) for name in tests]
        rows.append(row)
    return SortableTable(head=head, rows=rows)


def plain(table: TextTable) -> SortableTable:
    """A table of the scoreboard. It is sorted by the number that a cell begins with."""
    rows = [[word(name), *(_leading(text) for text in cells)] for name, *cells in table.rows]
    return SortableTable(head=table.head, rows=rows)


def _leading(text: str) -> TableCell:
    number = number_of(text.partition(" ")[0].replace(",", ""))
    return TableCell(text=text, order="" if number is None else repr(number), kind="number")


def word(text: str) -> TableCell:
    """A cell of text."""
    return TableCell(text=text, order=text)


def _setting(text: str) -> TableCell:
    return TableCell(text=show_setting(text), order="" if text == NO_VALUE else text)


def number_cell(number: float | None) -> TableCell:
    """A cell of a number; of one that is not known, a dash."""
    return TableCell(text=show(number), order="" if number is None else repr(number), kind="number")


def _spread(values: list[float | None]) -> TableCell:
    known = [value for value in values if value is not None]
    if not known:
        return number_cell(None)
    mean = fmean(known)
    text = show_spread(mean, stdev(known)) if len(known) > 1 else show(mean)
    hint = f"{show(min(known))} to {show(max(known))} over {len(known)}"
    return TableCell(text=text, order=repr(mean), kind="number", hint=hint)
