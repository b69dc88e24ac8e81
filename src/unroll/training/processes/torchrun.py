"""A run that torchrun has started: the folder of its processes, also after a restart."""

import os
import socket
import time
from functools import cache
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from unroll.errors import MissingEnvironmentError
from unroll.runs.folder import RunFolder, as_yaml
from unroll.startup import number
from unroll.training.processes.started import by_torchrun

RUN_DIR_KEY = "unroll/run_dir"

UNNAMED = "none"
"""The run's id if torchrun was given no --rdzv-id."""


def cluster() -> list[ClusterEnvironment]:
    """Lightning's plugin for processes of torchrun; none for others."""
    return [TorchElasticEnvironment()] if by_torchrun() else []


def store() -> Store:
    """What all processes of this start can write to and read from, before and beside the process group."""
    return _store(os.environ["TORCHELASTIC_RESTART_COUNT"])


def mark(folder: RunFolder) -> None:
    """Write to the folder which agent runs it."""
    if by_torchrun():
        folder.write(folder.agent, f"{_this_agent()}\n")


def tell_run_dir(folder: RunFolder) -> None:
    """Tell the other processes where the run's folder is."""
    if by_torchrun():
        store().set(RUN_DIR_KEY, str(folder))


def find_run_dir(wanted: Path, values: dict[str, Any]) -> Path | None:
    """The folder in which the same agents ran a run with these values, if it has not finished.

    Its name may hold an earlier time. Agents do not tell all of their processes that they have started them
    before: one that restarts its own because of another node does not count it.
    """
    mine = _without_folder(values)
    found = [folder for folder in map(RunFolder, wanted.parent.glob("*")) if _is_ours(folder)]
    for folder in sorted(found, key=lambda each: each.agent.stat().st_mtime, reverse=True):
        if (
            folder.has_started
            and not folder.results.exists()
            and _without_folder(folder.read_config()) == mine
        ):
            return folder.path
    return None


def run_dir_of_the_first(wait_s: float = 60) -> Path:
    """The folder in which the first process runs.

    Raises:
        MissingEnvironmentError: it was not told, or this node does not see it within `wait_s` seconds.
    """
    try:
        path = Path(store().get(RUN_DIR_KEY).decode())
    except RuntimeError as error:
        raise MissingEnvironmentError(
            "run_dir: the first process of torchrun has told of no folder; read its output"
        ) from error
    end = time.monotonic() + wait_s
    while not path.is_dir():
        if time.monotonic() >= end:
            raise MissingEnvironmentError(
                f"run_dir={path}: {socket.gethostname()} does not see the folder that the first process has "
                "made; start torchrun in the same folder of a file system that all nodes share"
            )
        time.sleep(0.5)
    return path


def silent_exit(code: object) -> SystemExit:
    """What ends a process that is not the first, when all end together and the first prints why.

    On the node of the first it looks like a success, or the agent would end the first before it has printed.
    On another node it must not, or that agent would report one.
    """
    if by_torchrun() and number("GROUP_RANK") > 0:
        return SystemExit(code or 1)
    return SystemExit(0)


@cache
def _store(start: str) -> Store:
    store: Store = next(rendezvous("env://"))[0]
    return store


def _this_agent() -> str:
    """The run's id, and the agent: its machine, its process, and when that began."""
    process = Path(f"/proc/{os.getppid()}/stat")
    began = process.read_text("utf-8").rpartition(")")[2].split()[19] if process.is_file() else "-"
    return f"{os.environ['TORCHELASTIC_RUN_ID']} {socket.gethostname()}:{os.getppid()}:{began}"


def _is_ours(folder: RunFolder) -> bool:
    if not folder.agent.is_file():
        return False
    run, _, agent = folder.agent.read_text("utf-8").strip().rpartition(" ")
    mine, _, this = _this_agent().rpartition(" ")
    moved = run != UNNAMED and number("TORCHELASTIC_RESTART_COUNT") > 0  # the first may be another node's
    return run == mine and (agent == this or moved)


def _without_folder(values: dict[str, Any]) -> str:
    return as_yaml({**values, "run_dir": None})
