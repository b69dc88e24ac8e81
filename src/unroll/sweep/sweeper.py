"""A sweep from its command line to its table: it checks all trials, then runs those that are left."""

import hashlib
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from unroll.config.plain import plain
from unroll.config.registry import typed
from unroll.config.sweep import Pruner, Sampler, SweepConfig
from unroll.errors import InputError, MissingEnvironmentError, UnrollError, reason
from unroll.redact import redact
from unroll.sweep.batches import run_in_batches
from unroll.sweep.commands import Commands
from unroll.sweep.jobs import run_jobs
from unroll.sweep.progress import Progress
from unroll.sweep.search.grid import Grid
from unroll.sweep.search.objectives import Objectives
from unroll.sweep.search.queue import TrialQueue
from unroll.sweep.search.space import Space
from unroll.sweep.trials import Record, TrialState
from unroll.sweep.trials_table import TABLE_FILE, print_table, write_table
from unroll.training.processes.started import by_torchrun, told_once


class SweepError(UnrollError):
    """Some trials of a sweep have failed. Exit code 1."""


def run_sweep(
    master: DictConfig,
    loader: ConfigLoader,
    arguments: list[str],
    make_launcher: Callable[[], Launcher] | None = None,
    show_more: Callable[[Path, Space], None] | None = None,
) -> None:
    """Run the trials of a command line that are left, and show the results of all.

    `master` is the config that Hydra composed from the command line. Without a launcher the trials run on
    this machine. `show_more` is called after the table of trials has been printed.

    Raises:
        InputError: a trial's config is wrong; no trial has been started then.
        MissingEnvironmentError: the sweep's folder cannot be written.
        SweepError: trials have failed.
    """
    with told_once():
        if by_torchrun():
            raise InputError(
                "--multirun: each process of torchrun would run the whole sweep; start it without torchrun, "
                "with hydra/launcher=submitit_slurm for trials on several nodes"
            )
    config = typed(SweepConfig, plain(master.sweep, resolve=True), "sweep")
    space = Space(config.search_space, arguments, loader)
    folder = Path(master.hydra.sweep.dir) / (config.name or _name(master, space, config))
    master.hydra.sweep.dir = str(folder)
    commands = Commands(master, loader, space, folder)
    try:
        queue = _open_queue(space, commands, folder, config)
        progress = Progress(space, folder, queue.size)
        _run(queue, commands, config, progress, make_launcher)
        _show(queue.records(), space, folder)
        if show_more is not None:
            show_more(folder, space)
        _require_success(queue.records(), folder)
    except BrokenPipeError:  # nobody reads the output any longer
        raise
    except OSError as error:
        raise MissingEnvironmentError(
            f"{error.filename or folder}: {reason(error)}; mend that, and the same command goes on"
        ) from error


def _run(
    queue: TrialQueue,
    commands: Commands,
    config: SweepConfig,
    progress: Progress,
    make_launcher: Callable[[], Launcher] | None,
) -> None:
    states = Counter(record.state for record in queue.records())
    progress.greet(states.total() - states[TrialState.waiting] - states[TrialState.running])
    try:
        if make_launcher is None:
            run_jobs(queue, commands, config, progress)
        else:
            run_in_batches(make_launcher(), queue, config, progress)
    except (KeyboardInterrupt, SystemExit):
        command = shlex.join(["python", *sys.argv])
        print(f"stopped; the same command runs what is missing: {redact(command)}", file=sys.stderr)
        raise


def _show(records: list[Record], space: Space, folder: Path) -> None:
    """Print the table of all trials, and write it into the sweep's folder."""
    print_table(records, space)
    write_table(records, folder)


def _require_success(records: list[Record], folder: Path) -> None:
    """Raise a `SweepError` where trials have failed."""
    failed = [record for record in records if record.state.is_failure]
    if failed:
        numbers = ", ".join(f"{record.number:04d}" for record in failed[:10])
        more = ", …" if len(failed) > 10 else ""
        raise SweepError(
            f"{len(failed)} of {len(records)} trials failed: {numbers}{more}; the reasons stand in "
            f"{folder / TABLE_FILE}; to run them again, add sweep.retry_failed=true"
        )


def _open_queue(space: Space, commands: Commands, folder: Path, config: SweepConfig) -> TrialQueue:
    """Check the config of every trial of a grid, or of samples of a study, and open the queue of trials."""
    objectives = Objectives(config.directions)
    if not _needs_study(config):
        grid = Grid(space, commands, folder, config, objectives)
        grid.open({"sampling": False})
        return grid
    for varied in space.samples():
        commands.values(commands.overrides(varied, number=0))
    from unroll.sweep.search.study import Study

    study = Study(space, commands, folder, config, objectives)
    study.open({"sampling": True, **_what_is_learned(space, config)})
    return study


def _needs_study(config: SweepConfig) -> bool:
    return config.sampler is not Sampler.grid or config.pruner is not Pruner.none


def _what_is_learned(space: Space, config: SweepConfig) -> dict[str, Any]:
    """What the trials of a study must share to be comparable."""
    fixed = [line for line in space.fixed if not line.lstrip("+").startswith(("sweep.", "logger"))]
    objectives = {name: direction.value for name, direction in config.directions.items()}
    return {"options": sorted(fixed), "search_space": space.text, "objectives": objectives}


def _name(master: DictConfig, space: Space, config: SweepConfig) -> str:
    """A name for the sweep's folder: what the sweep varies, and a code that tells it from others."""
    marks = _what_is_learned(space, config)
    if _needs_study(config):
        marks |= {"sampler": config.sampler.value, "pruner": config.pruner.value, "seed": config.seed}
    else:
        del marks["objectives"]  # a finished grid may be compared by other objectives
    code = hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()[:6]
    choice = str(master.hydra.runtime.choices.sweep)
    about = [choice] if choice != "grid" else []
    if choice in ("grid", "optuna"):
        about += space.short.values()
    return "_".join([re.sub(r"[^\w.-]+", "-", word) for word in about])[:60].strip("_") + f"-{code}"
