"""Reads the files of a run's folder into a `RunSummary`. Reading executes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unroll.errors import InputError
from unroll.redact import redact, redacted
from unroll.report.values import flat, measured, text_of
from unroll.runs.folder import RunFolder
from unroll.runs.metrics import Curve

MOST_CURVE_POINTS = 400
"""Longer curves are thinned evenly to this many points: a plot has no pixels for more."""


@dataclass(kw_only=True, slots=True)
class RunSummary:
    """What the report knows about one run.

    `state` is that of its trial; otherwise finished, unfinished or unreadable. `overrides` and `config` hold
    values as text, `config` by dotted keys. `objectives` are those of the trial, otherwise the best
    validation; `larger_is_better` names those to maximise. `ahead` are the errors of forecasts by feature and
    kind, at each step ahead; `series` is the table of those of each series. `faults` are messages about
    unreadable files.
    """

    folder: Path
    name: str
    state: str = "unfinished"
    reason: str = ""
    verdict: str = ""
    overrides: dict[str, str] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    objectives: dict[str, float] = field(default_factory=dict)
    larger_is_better: set[str] = field(default_factory=set)
    valid: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    examples: list[list[str]] = field(default_factory=list)
    ahead: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    series: list[list[str]] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_run(path: Path, name: str) -> RunSummary:
    """The summary of one run. Unreadable files become its `faults`."""
    folder = RunFolder(path)
    run = RunSummary(folder=path, name=name, pictures=folder.pictures())
    readers: dict[Path, Callable[[RunSummary, RunFolder], None]] = {
        folder.config: _read_config,
        folder.results: _read_results,
        folder.trial: _read_trial,
        folder.metrics: _read_curves,
        folder.examples: _read_examples,
        folder.error_by_step: _read_ahead,
        folder.error_by_series: _read_series,
    }
    files = [file for file in readers if file.is_file()]
    for file in files:
        try:
            readers[file](run, folder)
        except InputError as error:
            run.faults.append(str(error))
        except (OSError, ValueError) as error:
            run.faults.append(f"{file}: cannot be read ({' '.join(str(error).split())})")
    if len(run.faults) == len(files):
        run.state = "unreadable"
    return run


def _read_config(run: RunSummary, folder: RunFolder) -> None:
    run.config = flat(redacted(folder.read_config()))


def _read_results(run: RunSummary, folder: RunFolder) -> None:
    results = folder.read_results() or {}
    run.state = "finished"
    run.test = {key.removeprefix("test/"): value for key, value in measured(results.get("test")).items()}
    run.valid = measured(results.get("valid"))
    run.objectives = measured(results.get("best"))
    run.larger_is_better = _maximised(results.get("monitor"))
    run.costs = measured(results)
    run.verdict = redact(str(results.get("verdict") or ""))


def _read_trial(run: RunSummary, folder: RunFolder) -> None:
    trial = folder.read_values(folder.trial)
    run.state = str(trial.get("state", run.state))
    run.reason = redact(str(trial.get("reason") or ""))
    overrides = trial.get("overrides")
    for override in overrides if isinstance(overrides, list) else []:
        key, _, value = redact(str(override)).partition("=")
        run.overrides[key.lstrip("+~")] = text_of(value)
    run.objectives = measured(trial.get("values")) or run.objectives
    run.larger_is_better |= _maximised(trial.get("directions"))
    run.costs = measured({"seconds": trial.get("seconds")}) | run.costs


def _maximised(directions: Any) -> set[str]:
    known = directions.items() if isinstance(directions, dict) else ()
    return {key for key, direction in known if direction == "maximize"}


def _read_curves(run: RunSummary, folder: RunFolder) -> None:
    for name, curve in folder.read_curves().items():
        if name == "train/loss" or name.startswith("valid/"):
            kept = slice(None, None, -(-len(curve.steps) // MOST_CURVE_POINTS))
            run.curves[name] = Curve(
                steps=curve.steps[kept], epochs=curve.epochs[kept], values=curve.values[kept]
            )


def _read_examples(run: RunSummary, folder: RunFolder) -> None:
    rows = folder.read_csv(folder.examples)
    told = {
        at for row in rows[1:] for at, text in enumerate(row) if text
    }  # the column `right` is empty for numbers
    run.examples = [[text for at, text in enumerate(row) if at in told] for row in rows if told]


def _read_ahead(run: RunSummary, folder: RunFolder) -> None:
    head, *rows = folder.read_csv(folder.error_by_step)
    for row in rows:
        _, feature, *errors = row
        kinds = run.ahead.setdefault(feature, {})
        for kind, error in zip(head[2:], errors, strict=True):
            kinds.setdefault(kind, []).append(float(error))


def _read_series(run: RunSummary, folder: RunFolder) -> None:
    head, *rows = folder.read_csv(folder.error_by_series)
    if any(len(row) != len(head) for row in rows):
        raise InputError(f"{folder.error_by_series}: its rows differ in their number of cells")
    run.series = [head, *rows]
