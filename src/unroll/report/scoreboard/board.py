"""Runs as cells of a table: architectures × tasks, over seeds."""

import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from statistics import fmean, stdev

from unroll.report.files import RunSummary
from unroll.report.scoreboard.published import Published, Task, Unit, library
from unroll.report.settings import PREFIXES_WITHOUT_EFFECT, SEED, setting
from unroll.runs.folder import RunFolder

LEAST_DIFFERENCE = 0.02
"""Ours and the published agree within this share of the scale, 2 points of 100: runs on other data, by other
programs, differ by as much."""

RATE = "optimizer.lr"
"""The setting that may differ between architectures: each has a rate of its own at which it learns best."""

OWN_DATA = "own data"
"""The table of runs on data that are no task of the scoreboard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The mean of a measure over seeds, and its sample standard deviation; None of a single one."""

    mean: float
    deviation: float | None
    seeds: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        """That of these values; None if there are none."""
        if not values:
            return None
        return cls(
            mean=fmean(values), deviation=stdev(values) if len(values) > 1 else None, seeds=len(values)
        )


@dataclass(kw_only=True, slots=True)
class Cell:
    """What one architecture has reached at one task.

    Attributes:
        task: the task.
        architecture: the architecture.
        runs: the finished runs, which differ in their seed alone.
        rate: their learning rate, where others were tried; None if it is the only one.
        left_out: how many finished runs are not among them, as they have other settings.
        unfinished: how many runs have ended, or stand, without a result, by their state.
    """

    task: Task
    architecture: str
    runs: list[RunSummary] = field(default_factory=list)
    rate: str | None = None
    left_out: int = 0
    unfinished: Counter[str] = field(default_factory=Counter)

    @property
    def ours(self) -> Spread | None:
        """The test metric over seeds, as the scoreboard shows it; None without a run."""
        return Spread.of([self.task.shown(run.test[self.task.measure]) for run in self.runs])

    @property
    def judged(self) -> Spread | None:
        """The measure over seeds by which architectures are compared."""
        metric = self.task.judged_by
        if metric is None:
            return self.ours
        known = [{**run.valid, **run.objectives} for run in self.runs]
        return Spread.of([values[metric] for values in known if metric in values])

    @property
    def published(self) -> Published | None:
        """What was published of this architecture and task."""
        return library().published(self.task.name, self.architecture)

    @property
    def disagrees(self) -> bool | None:
        """Whether ours and the published differ by more than their spreads and `LEAST_DIFFERENCE`.

        None if they may: they differ by more than that, but ours is of one seed. False if one is missing.
        """
        ours, published = self.ours, self.published
        if ours is None or published is None:
            return False
        least = LEAST_DIFFERENCE * (100 if self.task.unit is Unit.percent else 1)
        spreads = (ours.deviation or 0.0) + (published.spread or 0.0)
        if abs(ours.mean - published.value) <= max(least, spreads):
            return False
        return True if ours.seeds > 1 else None

    def mean_of(self, cost: str) -> float | None:
        """The mean of a cost in results.json over the runs; None if they do not tell it."""
        known = [run.costs[cost] for run in self.runs if cost in run.costs]
        return fmean(known) if known else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """Cells by task and architecture; a pair without a run has none.

    Attributes:
        tasks: the columns.
        architectures: the rows.
        cells: the cells.
    """

    tasks: list[Task]
    architectures: list[str]
    cells: dict[tuple[str, str], Cell]

    @classmethod
    def of(cls, runs: Iterable[RunSummary]) -> "Board":
        """The board of those runs that were trained with `architecture=…`."""
        found: dict[tuple[str, str], list[RunSummary]] = {}
        for run in runs:
            words = _words(run)
            if architecture := words.get("architecture"):
                task = words.get("task") or setting(run, "data")
                found.setdefault((task, architecture), []).append(run)
        known = library().tasks
        named = {task for task, _ in found}
        tasks = {name: task for name, task in known.items() if name in named}
        for name in sorted(named - known.keys()):
            own = [run for (task, _), runs in found.items() if task == name for run in runs]
            tasks[name] = _own_task(name, own)
        return cls(
            tasks=list(tasks.values()),
            architectures=list(dict.fromkeys(architecture for _, architecture in found)),
            cells={key: _cell(tasks[key[0]], key[1], runs) for key, runs in found.items()},
        )

    def tables(self) -> dict[str, list[Task]]:
        """The tasks by the table that shows them."""
        found: dict[str, list[Task]] = {}
        for task in self.tasks:
            found.setdefault(task.table, []).append(task)
        return found

    def rows(self, tasks: list[Task]) -> list[str]:
        """The architectures that have a run of one of these tasks."""
        return [name for name in self.architectures if any((task.name, name) in self.cells for task in tasks)]

    def column(self, task: Task) -> list[Cell]:
        """The cells of a task that have a result."""
        cells = (self.cells.get((task.name, name)) for name in self.architectures)
        return [cell for cell in cells if cell is not None and cell.runs]


def _words(run: RunSummary) -> dict[str, str]:
    """The command line of a run, by key: that of its trial, else that of command.txt."""
    return run.overrides or command_words(RunFolder(run.folder))


def command_words(folder: RunFolder) -> dict[str, str]:
    """The overrides in command.txt, by key; empty if there is no readable one."""
    try:
        words = shlex.split(folder.command.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


def _cell(task: Task, architecture: str, runs: list[RunSummary]) -> Cell:
    """The cell of the settings that most seeds have, and of these the newest; of each seed the newest run.

    Where runs of these settings differ in the learning rate, too, the rate that validation prefers counts.
    """
    finished = [run for run in runs if task.measure in run.test]
    finished.sort(key=lambda run: RunFolder(run.folder).results.stat().st_mtime)
    groups: dict[tuple[tuple[str, str], ...], dict[str, dict[str, RunSummary]]] = {}
    for run in finished:
        rates = groups[_settings(run)] = groups.pop(_settings(run), {})  # the newest group stands last
        rates.setdefault(setting(run, RATE), {})[setting(run, SEED)] = run
    chosen: dict[str, RunSummary] = {}
    rate = None
    for rates in groups.values():
        best = _best_rate(rates)
        if len(rates[best]) >= len(chosen):
            chosen, rate = rates[best], best if len(rates) > 1 else None
    return Cell(
        task=task,
        architecture=architecture,
        runs=[chosen[seed] for seed in sorted(chosen)],
        rate=rate,
        left_out=len(finished) - len(chosen),
        unfinished=Counter(run.state for run in runs if task.measure not in run.test),
    )


def _best_rate(rates: dict[str, dict[str, RunSummary]]) -> str:
    """Of the learning rates with the most seeds, the one whose validation is best in the mean."""

    def rank(rate: str) -> tuple[int, float]:
        found = [value for run in rates[rate].values() for value in _validation(run)]
        return -len(rates[rate]), fmean(found) if found else inf

    return min(rates, key=rank)


def _validation(run: RunSummary) -> list[float]:
    """The first objective that is measured in validation, less is better; nothing if there is none."""
    metric = next((name for name in run.objectives if name.startswith("valid/")), None)
    if metric is None:
        return []
    value = run.objectives[metric]
    return [-value if metric in run.larger_is_better else value]


def _settings(run: RunSummary) -> tuple[tuple[str, str], ...]:
    """The settings of a run that change what it learns, without its seed and its learning rate."""
    own = (item for item in run.config.items() if not item[0].startswith(PREFIXES_WITHOUT_EFFECT))
    return tuple(sorted(item for item in own if item[0] not in (SEED, RATE)))


def _own_task(name: str, runs: list[RunSummary]) -> Task:
    """The task of data that the scoreboard does not know: measured by what the model is chosen by.

    Forecasts are measured by their mean absolute error, which classical ones have, too.
    """
    metrics = Counter(metric for run in runs for metric in run.objectives).most_common(1)
    metric = metrics[0][0] if metrics else "valid/loss"
    if any("naive_mae" in run.test for run in runs):
        metric = "valid/mae"
    return Task(
        name=name,
        table=OWN_DATA,
        measure=metric.removeprefix("valid/"),
        unit=Unit.metric,
        chance=0.0,
        larger_is_better=any(metric in run.larger_is_better for run in runs),
        judged_by=metric,
    )
