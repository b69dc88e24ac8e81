"""Compares runs: which one is best, and which ones differ only in their seed."""

from collections import Counter
from dataclasses import dataclass
from statistics import fmean

from unroll.report.files import RunSummary
from unroll.report.settings import SEED, Settings, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """A measure that runs minimise or maximise."""

    name: str
    larger_is_better: bool

    def loss(self, run: RunSummary) -> float:
        """The run's value with the sign that makes smaller better; infinite if the run has none."""
        value = run.objectives.get(self.name)
        return float("inf") if value is None else -value if self.larger_is_better else value


@dataclass(kw_only=True, slots=True)
class Group:
    """Runs that differ only in their seed. `label` names the settings that distinguish the group."""

    label: str
    settings: dict[str, str]
    runs: list[RunSummary]


class Comparison:
    """Runs to be compared.

    Attributes:
        settings: the settings that vary among the runs, and those that do not.
        objectives: the objectives of all runs, the most common one first.
        runs: the runs by their first objective, the best one first; runs without it come last.
        groups: the runs that differ only in their seed, by the mean of their first objective.
        several_at_once: whether a run has several objectives at once.
    """

    def __init__(self, runs: list[RunSummary]) -> None:
        self.settings = Settings(runs)
        maximised = {name for run in runs for name in run.larger_is_better}
        counted = Counter(name for run in runs for name in run.objectives).most_common()
        self.objectives = [Objective(name=name, larger_is_better=name in maximised) for name, _ in counted]
        self.several_at_once = any(len(run.objectives) > 1 for run in runs)
        self.runs = sorted(runs, key=lambda run: ([each.loss(run) for each in self.objectives], run.name))
        groups: dict[tuple[str, ...], Group] = {}
        for run in self.runs:
            apart = {key: setting(run, key) for key in self.settings.varied if key != SEED}
            group = Group(label=self.settings.label(run), settings=apart, runs=[])
            groups.setdefault(tuple(apart.values()), group).runs.append(run)
        self.groups = sorted(groups.values(), key=self._mean_loss)

    def _mean_loss(self, group: Group) -> float:
        losses = [each.loss(run) for each in self.objectives[:1] for run in group.runs]
        known = [loss for loss in losses if loss < float("inf")]
        return fmean(known) if known else float("inf")

    def runs_with(self, objective: Objective) -> list[RunSummary]:
        """The runs that have a value of an objective, the best one first."""
        return sorted((run for run in self.runs if objective.name in run.objectives), key=objective.loss)

    def front(self, objectives: list[Objective]) -> list[RunSummary]:
        """The Pareto front: the runs with all these objectives that no other such run dominates."""
        losses = {run.name: [each.loss(run) for each in objectives] for run in self.runs}
        able = [run for run in self.runs if float("inf") not in losses[run.name]]

        def dominated(run: RunSummary) -> bool:
            mine = losses[run.name]
            return any(
                losses[other.name] != mine and all(map(float.__le__, losses[other.name], mine))
                for other in able
            )

        return [run for run in able if not dominated(run)]
