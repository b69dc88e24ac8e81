"""Runs a trial in its own process, and records how it ended."""

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
from unroll.terminal import DEBUG_VARIABLE, one_line
from unroll.training.logging import loggers
from unroll.training.processes.rank import is_first
from unroll.training.pruning import Pruned, Pruning, PruningRule
from unroll.training.run import run


def run_trial(values: dict[str, Any], sweep: SweepConfig) -> int:
    """Run a checked config in the folder that a sweep has made for it; return the exit code.

    Errors go to stderr and to trial.json. If a trial has several processes, each one calls this.
    """
    folder = RunFolder(Path(values["run_dir"]))
    ownership = Ownership(folder.path.parent / ".locks" / folder.path.name)
    ownership.join()
    code = 0
    _begin(folder)
    try:
        callbacks = [] if sweep.pruner is Pruner.none else [_pruning(sweep, folder)]
        run(values, run_dir=folder.path, callbacks=callbacks, resume=True)
    except Pruned:
        _tell(folder, TrialState.pruned, "others had come further after as many epochs", code)
    except Stopped as error:  # the run is saved and can resume
        code = error.exit_code
        print(error, file=sys.stderr)
    except UnrollError as error:
        code = error.exit_code
        if os.environ.get(DEBUG_VARIABLE):
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
    """Record that the trial is running."""
    record = read_record(folder)
    if record is not None and record.state is TrialState.waiting:
        record.state = TrialState.running
        record.write(folder)


def _tell(folder: RunFolder, state: TrialState, reason: str, code: int) -> None:
    """Record how the trial ended; the first of several processes to call this does."""
    record = read_record(folder)
    if record is not None and record.state is TrialState.running:
        record.end(state, reason, code)
        record.write(folder)


def _pruning(sweep: SweepConfig, folder: RunFolder) -> Pruning:
    metric = next(iter(sweep.directions), None)
    return Pruning(metric, _pruning_rule(sweep, folder) if is_first() else None)


def _pruning_rule(sweep: SweepConfig, folder: RunFolder) -> PruningRule:
    """A rule that enters a trial's values into the study, and asks the study whether to stop."""
    import optuna

    from unroll.sweep.search.journal import open_study

    study = open_study(folder.path.parent, Objectives(sweep.directions).directions, sweep.pruner)
    frozen = study.get_trials(deepcopy=False)[int(folder.path.name)]
    trial = optuna.trial.Trial(study, frozen._trial_id)

    def should_stop(value: float, epoch: int) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    return should_stop
