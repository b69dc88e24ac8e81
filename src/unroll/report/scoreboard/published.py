"""What papers have published: published.yaml, as objects."""

from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from unroll.foreign import read_yaml

FILE = Path(__file__).with_name("published.yaml")

FULL = "_full"
"""How the name of a task ends that is run by the protocol of the papers, not by the reduced one."""


class Unit(Enum):
    """How a metric is shown: in percent, as a share of what a model without memory gets, or as it is."""

    percent = "%"
    chance = "× chance"
    metric = ""


class Certainty(Enum):
    """Where published values were read: in the paper or its authors' repository, in a reprint, or nowhere."""

    paper = "read in the paper or its authors' repository"
    reprint = "read in a reprint"
    unchecked = "not checked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A column of the scoreboard: which test metric, and how it is shown.

    Attributes:
        name: the task in conf/task, or the data set of runs without one.
        table: the table that shows it.
        measure: the metric of the test data.
        unit: how the metric is shown.
        chance: what guessing gives: in percent, or in the unit of the metric.
        larger_is_better: whether more is better.
        judged_by: the metric of the validation data by which architectures are compared, of a person's own
            data; None compares them by `measure`, as papers do.
    """

    name: str
    table: str
    measure: str
    unit: Unit
    chance: float
    larger_is_better: bool
    judged_by: str | None = None

    def shown(self, metric: float) -> float:
        """The value of a metric as the scoreboard shows it."""
        match self.unit:
            case Unit.percent:
                return 100 * metric
            case Unit.chance:
                return metric / self.chance
            case Unit.metric:
                return metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A table of a paper.

    Attributes:
        paper: its authors, year and title.
        arxiv: its number at arXiv.
        table: which of its tables.
        certain: where the values were read.
        protocol: how the paper trained and tested.
        read_in: where exactly the values were read, and what is doubtful.
        printed: the paper's names of architectures, where they are not ours.
        beside: by task, values of models that Unroll does not have.
    """

    paper: str
    arxiv: str
    table: str
    certain: Certainty
    protocol: str
    read_in: str = ""
    printed: dict[str, str] = field(default_factory=dict)
    beside: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A published value, as the scoreboard shows it, and its spread where the paper gives one."""

    value: float
    spread: float | None
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """The tasks by name, and the published values by task and architecture."""

    tasks: dict[str, Task]
    values: dict[tuple[str, str], Published]

    def task(self, name: str) -> Task | None:
        """A task, also one by its full protocol; None if the scoreboard does not know it."""
        return self.tasks.get(name)

    def published(self, task: str, architecture: str) -> Published | None:
        """What was published; the full and the reduced protocol stand beside the same values."""
        return self.values.get((task.removesuffix(FULL), architecture))


@cache
def library() -> Library:
    """What published.yaml holds."""
    content = read_yaml(FILE)
    tasks = {}
    for name, values in content["tasks"].items():
        tasks[name] = _task(name, values, values["chance"])
        full = name + FULL
        tasks[full] = _task(full, values, values.get("chance_full", values["chance"]))
    found: dict[tuple[str, str], Published] = {}
    for entry in content["sources"]:
        chances, columns = entry.pop("chance", {}), entry.pop("values")
        source = Source(**{**entry, "certain": Certainty[entry["certain"]]})
        for task, row in columns.items():
            for architecture, printed in row.items():
                divisor = chances[task] if tasks[task].unit is Unit.chance else 1.0
                value, spread = printed if isinstance(printed, list) else (printed, None)
                found[task, architecture] = Published(
                    value=value / divisor,
                    spread=None if spread is None else spread / divisor,
                    source=source,
                )
    return Library(tasks=tasks, values=found)


def _task(name: str, values: dict[str, Any], chance: float) -> Task:
    unit = Unit(values["unit"])
    return Task(
        name=name,
        table=values["table"],
        measure=values["measure"],
        unit=unit,
        chance=chance,
        larger_is_better=unit is Unit.percent,
    )
