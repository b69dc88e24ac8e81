"""A run in a SLURM job: its tasks, their common folder, and the same folder after a requeue."""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

from unroll.errors import MissingEnvironmentError
from unroll.foreign import MOST_YAML_BYTES
from unroll.paths import read
from unroll.runs.folder import RunFolder, as_yaml, numbered
from unroll.startup import number
from unroll.training.processes.started import started

REQUEUE_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
"""SLURM and submitit send these before a job's time limit. TERM may come from `scancel`, which ends it."""


def cluster() -> list[ClusterEnvironment]:
    """Lightning's plugin for a SLURM job. It starts the other processes unless srun has started them."""
    if "SLURM_JOB_ID" not in os.environ:
        return []
    found = started()
    if found is None:
        return [LightningEnvironment()]
    # Lightning reads those of the job, of which this step may use a part; and --ntasks sets no number a node.
    os.environ["SLURM_NTASKS"], os.environ["SLURM_NNODES"] = str(found.processes), str(found.nodes)
    os.environ["SLURM_NTASKS_PER_NODE"] = str(found.devices)
    if "SLURM_STEP_NODELIST" in os.environ:
        os.environ["SLURM_NODELIST"] = os.environ["SLURM_STEP_NODELIST"]
    return [SLURMEnvironment(auto_requeue=False)]  # auto_requeue would save in the signal handler


def mark(folder: RunFolder) -> None:
    """Write to the folder which start of the job runs in it."""
    if "SLURM_JOB_ID" in os.environ:
        folder.write(folder.start, f"{_this_start()}\n")


def restarted() -> bool:
    """Whether this job was requeued. Then it resumes in the folder of its first start."""
    return number("SLURM_RESTART_COUNT") > 0


def find_run_dir(wanted: Path, values: dict[str, Any]) -> Path | None:
    """The folder that this job made for a run with these values: `wanted`, or with -2, -3 … added."""
    job, mine = os.environ.get("SLURM_JOB_ID"), as_yaml(values)
    for folder in _made(wanted):
        if _mark_of(folder)[:1] == [job] and folder.has_started and _text(folder.config) == mine:
            return folder.path
    return None


def run_dir_of_the_first(wanted: Path, wait_s: float = 300) -> Path:
    """The folder in which srun's first task runs: `wanted`, or with -2, -3 … added.

    Raises:
        MissingEnvironmentError: the folder did not appear within `wait_s` seconds.
    """
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        for folder in _made(wanted):
            if _mark_of(folder) == _this_start().split():
                return folder.path
        time.sleep(0.1)
    raise MissingEnvironmentError(
        f"run_dir={wanted}: srun's first task has made no folder within {wait_s:.0f} s; read its output, and "
        "use srun --kill-on-bad-exit=1, which ends the other tasks with it"
    )


def requeue(number: int) -> str | None:
    """Requeue this job if SLURM sent the signal. Return a line with the outcome; None if it did not."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or number not in REQUEUE_SIGNALS:
        return None
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        return f"SLURM job {job} could not be requeued ({' '.join(str(reason).split())})"
    return f"SLURM job {job} is requeued, and will go on from there"


def _made(wanted: Path) -> Iterator[RunFolder]:
    return map(RunFolder, itertools.takewhile(Path.is_dir, numbered(wanted)))


def _this_start() -> str:
    names = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
    return " ".join(os.environ.get(name) or "-" for name in names)


def _mark_of(folder: RunFolder) -> list[str]:
    return _text(folder.start).split() if folder.has(folder.start) else []


def _text(path: Path) -> str:
    return read(path, MOST_YAML_BYTES).decode("utf-8", errors="replace")
