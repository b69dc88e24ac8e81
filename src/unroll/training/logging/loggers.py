"""The loggers: metrics.csv in the run's folder, and Weights & Biases in one folder for all runs."""

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import wandb
from lightning.pytorch.loggers import Logger, WandbLogger

from unroll import errors
from unroll.config.root import LoggerConfig, LoggerKind, LoggerMode
from unroll.errors import InputError, MissingEnvironmentError
from unroll.paths import quoted
from unroll.redact import redact
from unroll.runs.folder import RunFolder
from unroll.runs.metrics import MetricsTable
from unroll.training.logging.metrics_file import MetricsFile
from unroll.training.logging.wandb_server import why_not_online

WANDB_PARENT = Path("outputs")
"""W&B makes its folder `wandb` here: one for all runs, so that its terminal dashboard shows them all."""

MOST_OF_A_NAME = 60
"""Characters of a run's name that stand in its id."""

ONLINE_INIT_SECONDS = 4.0
"""How long the server may take to start a run. After that the run continues offline."""


def build_loggers(
    config: LoggerConfig, folder: RunFolder, values: dict[str, Any], place: dict[str, Any] | None = None
) -> tuple[list[Logger], str | None]:
    """The loggers of the config, and a line for the user if W&B had to fall back to offline.

    `config` and `values` are redacted. `place` is where the loggers of a resumed run were; what was logged
    after it is removed.
    """
    if config.kind is LoggerKind.none or not folder.writes:
        return [], None
    metrics = MetricsTable(folder.metrics)
    if place is not None:
        metrics.take_back(place)
    loggers: list[Logger] = [MetricsFile(metrics)]
    if config.kind is LoggerKind.csv:
        return loggers, None
    run_id = (place or {}).get("wandb") or _new_id(_name(config, folder))
    _keep_to_one_folder()
    try:
        (WANDB_PARENT / "wandb").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{error.filename}: W&B's folder cannot be made ({errors.reason(error)}); move what is there, "
            "or set logger=csv"
        ) from error
    run, reason = None, None
    if config.mode is LoggerMode.online:
        reason = why_not_online()
        if reason is None:
            run, reason = _start_online(config, folder, values, run_id)
    run = run or _start(config, folder, values, "offline", run_id)
    loggers.append(WandbLogger(experiment=run))
    for row in metrics.read():  # a resumed run has all of its curves under its old id
        logged = {name: float(value) for name, value in row.items() if value and name != "step"}
        loggers[-1].log_metrics(logged, int(row["step"]))
    _remove_earlier(run_id, Path(run.dir).parent)
    note = (
        f"W&B: offline, since {reason}; `wandb sync {quoted(run.dir.removesuffix('/files'))}` sends it later"
        if reason
        else None
    )
    return loggers, note


def _name(config: LoggerConfig, folder: RunFolder) -> str:
    """What a run is called: what varies in its sweep, or its model and its data."""
    return config.name or "/".join(folder.path.parts[-3:])


def _new_id(name: str) -> str:
    """An id that nobody else has. It begins with the name, since the dashboard lists runs by their ids."""
    plain = re.sub("[^A-Za-z0-9_]+", "-", name)[:MOST_OF_A_NAME].strip("-") or "run"
    return f"{plain}-{secrets.token_hex(4)}"


def _start_online(
    config: LoggerConfig, folder: RunFolder, values: dict[str, Any], run_id: str
) -> tuple[wandb.Run | None, str | None]:
    """The W&B run, or the reason why there is none: the key is refused, or the server is not one of W&B."""
    before = set(_wandb_folders(run_id))
    try:
        return _start(config, folder, values, "online", run_id), None
    except wandb.errors.Error as error:
        tear_down()  # W&B's process would keep the run's id
        for made in set(_wandb_folders(run_id)) - before:  # the dashboard would show it as a run
            shutil.rmtree(made, ignore_errors=True)
        return None, f"its server did not accept the run ({str(error).splitlines()[0]})"


def _wandb_folders(run_id: str) -> Iterable[Path]:
    return (WANDB_PARENT / "wandb").glob(f"run-*-{run_id}")


def _start(
    config: LoggerConfig,
    folder: RunFolder,
    values: dict[str, Any],
    mode: Literal["online", "offline"],
    run_id: str,
) -> wandb.Run:
    arguments = sys.argv
    sys.argv = redact("\0".join(arguments)).split("\0")  # W&B records them
    try:
        return wandb.init(
            id=run_id,  # replaces the run of this id; an offline run cannot be extended
            dir=WANDB_PARENT,
            project=config.project,
            group=config.group,
            tags=config.tags,
            name=_name(config, folder),
            config=values,
            mode=mode,
            settings=wandb.Settings(
                console="off",
                silent=True,
                disable_git=True,
                disable_code=True,
                save_code=False,
                init_timeout=ONLINE_INIT_SECONDS if mode == "online" else 90.0,
            ),
        )
    except ValueError as error:  # W&B checks its environment variables itself
        fault = " ".join(" ".join(str(error).splitlines()[1:3]).split())
        raise MissingEnvironmentError(
            f"W&B does not accept a WANDB_… variable: {fault}; correct it"
        ) from error
    finally:
        sys.argv = arguments


def _remove_earlier(run_id: str, folder: Path) -> None:
    """Remove the earlier W&B folders of a resumed run; the present one holds all that the run has logged.

    The dashboard would show them as further runs, and `wandb sync` could overwrite the whole with a part.
    """
    for earlier in (WANDB_PARENT / "wandb").glob(f"offline-run-*-{run_id}"):
        if not earlier.samefile(folder):
            shutil.rmtree(earlier, ignore_errors=True)


def place(loggers: list[Logger]) -> dict[str, Any] | None:
    """Where the loggers are, for `build_loggers`. Everything logged is on the disk when this returns."""
    if not loggers:
        return None
    metrics, *others = loggers
    assert isinstance(metrics, MetricsFile)
    return {**metrics.table.place(), "wandb": others[0].version if others else None}


@contextmanager
def closing() -> Iterator[None]:
    """Close the W&B run at the end, with the exit code of the error that ended it."""
    try:
        yield
    except BaseException as error:
        finish(exit_code=getattr(error, "exit_code", 1))
        raise
    finish()


def finish(exit_code: int = 0) -> None:
    """Close the W&B run, if there is one, so that the next run in this process is a separate one."""
    if wandb.run is not None:
        wandb.finish(exit_code)


def tear_down() -> None:
    """End W&B's own process. W&B does not notice the end of a process of multiprocessing."""
    wandb.teardown()


def _keep_to_one_folder() -> None:
    """Keep W&B's caches beside its runs, not in the user's home."""
    for variable in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ.setdefault(variable, str((WANDB_PARENT / "wandb").absolute()))


def log_summary(outcome: dict[str, Any]) -> None:
    """Put the numbers of a run's results and its verdict on the dashboard, if there is one."""
    if wandb.run is not None:
        numbers = {name: value for name, value in outcome.items() if isinstance(value, int | float)}
        known = outcome.get("baseline")
        baseline = {"baseline": known["name"], "baseline_value": known["value"]} if known else {}
        wandb.run.summary.update({**numbers, **baseline, "verdict": outcome["verdict"]})


def log_table(name: str, columns: list[str | int], rows: list[Iterable[Any]]) -> None:
    """Put a table on the dashboard, if there is one."""
    if wandb.run is not None:
        wandb.log({name: wandb.Table(columns=columns, data=rows)})


def log_image(name: str, path: Path) -> None:
    """Put a picture on the dashboard, if there is one."""
    if wandb.run is not None:
        wandb.log({name: wandb.Image(str(path))})
