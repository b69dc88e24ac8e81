"""A sweep from its command line to its table: all trials are checked, then those that are left are run."""

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
from omegaconf import DictConfig, OmegaConf

from unroll.config.registry import typed
from unroll.config.sweep import Pruner, Sampler, SweepConfig
from unroll.errors import MissingEnvironmentError, UnrollError, reason
from unroll.redact import redact
from unroll.sweep.batches import run_in_batches
from unroll.sweep.commands import Commands
from unroll.sweep.grid import Grid
from unroll.sweep.jobs import run_jobs
from unroll.sweep.objectives import Objectives
from unroll.sweep.source import Source
from unroll.sweep.space import Space
from unroll.sweep.terminal import Terminal
from unroll.sweep.trials import State


class SweepError(UnrollError):
    """Some trials of a sweep have failed. Exit code 1."""


def run_sweep(
    master: DictConfig,
    loader: ConfigLoader,
    arguments: list[str],
    make_launcher: Callable[[], Launcher] | None = None,
) -> None:
    """Run those trials of a command line that are left, and show what all have come to.

    `master` is what Hydra has composed of it. Without a launcher, they run on this machine.

    Raises:
        InputError: any trial's config is wrong; none has been started then.
        MissingEnvironmentError: the sweep's folder cannot be written.
        SweepError: trials have failed.
    """
    config = typed(SweepConfig, _plain(master.sweep), "sweep")
    space = Space(config.search_space, arguments, loader)
    folder = Path(master.hydra.sweep.dir) / (config.name or _name(master, space, config))
    master.hydra.sweep.dir = str(folder)
    commands = Commands(master, loader, space, folder)
    try:
        source = _source(space, commands, folder, config)
        _run(source, commands, config, Terminal(space, folder, source.size), make_launcher)
    except BrokenPipeError:  # nobody reads any longer
        raise
    except OSError as error:
        raise MissingEnvironmentError(
            f"{error.filename or folder}: {reason(error)}; mend that, and the same command goes on"
        ) from error


def _run(
    source: Source,
    commands: Commands,
    config: SweepConfig,
    terminal: Terminal,
    make_launcher: Callable[[], Launcher] | None,
) -> None:
    done = Counter(record.state for record in source.records())
    ended = sum(done.values()) - done[State.waiting] - done[State.running]
    terminal.greet(ended)
    try:
        if make_launcher is None:
            run_jobs(source, commands, config, terminal)
        else:
            run_in_batches(make_launcher(), source, config, terminal)
    except (KeyboardInterrupt, SystemExit):
        command = shlex.join(["python", *sys.argv])
        print(f"stopped; what is missing is run by the same command: {redact(command)}", file=sys.stderr)
        raise
    records = source.records()
    terminal.show(records)
    failed = [record for record in records if record.state.is_failure]
    if failed:
        numbers = ", ".join(f"{record.number:04d}" for record in failed[:10])
        more = ", …" if len(failed) > 10 else ""
        raise SweepError(
            f"{len(failed)} of {len(records)} trials failed: {numbers}{more}; the reasons stand in "
            f"{terminal.table}; to run them again, add sweep.retry_failed=true"
        )


def _source(space: Space, commands: Commands, folder: Path, config: SweepConfig) -> Source:
    """Where the trials come from, once all of them are known to be right, or all values of a sample."""
    objectives = Objectives(config.directions)
    if not _needs_study(config):
        grid = Grid(space, commands, folder, config, objectives)
        grid.open({"sampling": False})
        return grid
    for varied in space.samples():
        commands.values(commands.overrides(varied, number=0))
    from unroll.sweep.study import Study

    study = Study(space, commands, folder, config, objectives)
    study.open({"sampling": True, **_what_is_learned(space, config)})
    return study


def _needs_study(config: SweepConfig) -> bool:
    return config.sampler is not Sampler.grid or config.pruner is not Pruner.none


def _what_is_learned(space: Space, config: SweepConfig) -> dict[str, Any]:
    """What makes the trials of a study comparable."""
    fixed = [line for line in space.fixed if not line.lstrip("+").startswith(("sweep.", "logger"))]
    objectives = {name: direction.value for name, direction in config.directions.items()}
    return {"options": sorted(fixed), "search_space": space.text, "objectives": objectives}


def _name(master: DictConfig, space: Space, config: SweepConfig) -> str:
    """A name for the sweep's folder: what it is about, and what tells it from others."""
    marks = _what_is_learned(space, config)
    if _needs_study(config):
        marks |= {"sampler": config.sampler.value, "pruner": config.pruner.value, "seed": config.seed}
    else:
        del marks["objectives"]  # of a finished grid one may ask something else
    code = hashlib.sha256(json.dumps(marks, sort_keys=True).encode()).hexdigest()[:6]
    choice = str(master.hydra.runtime.choices.sweep)
    about = [choice] if choice != "grid" else []
    if choice in ("grid", "optuna"):
        about += space.short.values()
    return "_".join([re.sub(r"[^\w.-]+", "-", word) for word in about])[:60].strip("_") + f"-{code}"


def _plain(config: DictConfig) -> dict[str, Any]:
    values = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
