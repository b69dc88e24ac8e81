"""A trial in its own process: the run, and how it ended."""

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from unroll.config.sweep import Pruner, SweepConfig
from unroll.errors import Stopped, UnrollError
from unroll.runs.folder import RunFolder
from unroll.sweep.locks import Ownership
from unroll.sweep.search.objectives import Objectives
from unroll.sweep.trials import TrialState, read_record
from unroll.terminal import DEBUG, one_line
from unroll.training.logging import loggers
from unroll.training.processes.rank import is_first
from unroll.training.pruning import PrunedError, Report, Reports
from unroll.training.run import run


def run_trial(values: dict[str, Any], sweep: SweepConfig) -> int:
    """Run a checked config in the folder that a sweep has made for it; returns the exit code.

    What goes wrong is told on stderr and in trial.json. Where a trial has several processes, each comes here.
    """
    folder = RunFolder(Path(values["run_dir"]))
    ownership = Ownership(folder.path.parent / ".locks" / folder.path.name)
    ownership.join()
    code = 0
    _begin(folder)
    try:
        callbacks = [] if sweep.pruner is Pruner.none else [_reports(sweep, folder)]
        run(values, run_dir=folder.path, callbacks=callbacks, resume=True)
    except PrunedError:
        _tell(folder, TrialState.pruned, "others had come further after as many epochs", code)
    except Stopped as error:  # and saved: it is not over
        code = error.exit_code
        print(error, file=sys.stderr)
    except UnrollError as error:
        code = error.exit_code
        if os.environ.get(DEBUG):
            traceback.print_exc()
        line = one_line(error)
        print(f"error: {line}", file=sys.stderr)
        _tell(folder, TrialState.failed, line, code)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        _tell(folder, TrialState.failed, f"it exited with code {code}", code)
    except Exception as error:
        code = 1
        traceback.print_exc()
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        _tell(folder, TrialState.failed, f"{type(error).__name__}: {first}".removesuffix(": "), code)
    finally:
        loggers.tear_down()
        ownership.release()
    return code


def _begin(folder: RunFolder) -> None:
    """Say that the trial runs."""
    record = read_record(folder)
    if record is not None and record.state is TrialState.waiting:
        record.state = TrialState.running
        record.write(folder)


def _tell(folder: RunFolder, state: TrialState, reason: str, code: int) -> None:
    """Say how the trial has ended; of several processes the first one does."""
    record = read_record(folder)
    if record is not None and record.state is TrialState.running:
        record.end(state, reason, code)
        record.write(folder)


def _reports(sweep: SweepConfig, folder: RunFolder) -> Reports:
    metric = next(iter(sweep.directions), None)
    return Reports(metric, _reporter(sweep, folder) if is_first() else None)


def _reporter(sweep: SweepConfig, folder: RunFolder) -> Report:
    """What enters a trial's measures into the study, and asks it whether to stop."""
    import optuna

    from unroll.sweep.search.journal import open_study

    study = open_study(folder.path.parent, Objectives(sweep.directions).directions, sweep.pruner)
    frozen = study.get_trials(deepcopy=False)[int(folder.path.name)]
    trial = optuna.trial.Trial(study, frozen._trial_id)

    def report(value: float, epoch: int) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    return report
