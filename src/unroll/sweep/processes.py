"""Warm processes: each has torch and Lightning from the start, and runs one trial.

A warm process is forked from one that has imported everything a run needs and done nothing else. It leads a
session of its own, so that everything it starts (ranks, loader workers) can be killed with it.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from unroll.config.sweep import SweepConfig
from unroll.runs.folder import RunFolder
from unroll.sweep.trials import Trial
from unroll.training.processes import sockets

OOM_SCORE_ADJUSTMENT = 500
"""Where memory runs out, the kernel kills a trial rather than the sweep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Everything that a trial's process is told."""

    values: dict[str, Any]
    sweep: SweepConfig
    argv: list[str]
    environment: dict[str, str]


class TrialProcess:
    """The running process of a trial.

    Attributes:
        sentinel: becomes ready when the process has ended.
        stopped: whether the process has been asked to end.
    """

    def __init__(self, trial: Trial, task: Task, slot: int) -> None:
        self.trial = trial
        self.slot = slot
        self.started = time.monotonic()
        self.stopped = False
        self._process = _context().Process(target=_main, args=(task,), daemon=False)
        self._process.start()
        self.sentinel = self._process.sentinel

    @property
    def seconds(self) -> float:
        """How long the process has been running."""
        return time.monotonic() - self.started

    def stop(self) -> None:
        """Ask the process to end. The run saves itself first, so that it can be resumed."""
        self.stopped = True
        if self._process.is_alive():
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process and everything it has started."""
        pid = self._process.pid
        assert pid is not None
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no session yet, or has ended
            if self._process.is_alive():
                self._process.kill()

    def wait(self) -> int | None:
        """Wait for the end, kill what the process has left running, and return its exit code."""
        self._process.join()
        self.kill()
        return self._process.exitcode


def warm_up() -> None:
    """Let the process that trials are forked from import everything, so that no trial's time counts it."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is imported
    sockets.keep_paths_short()
    process = _context().Process(target=_nothing)
    process.start()
    process.join()


def gpus() -> list[str]:
    """The GPUs that torch can use, by their names in CUDA_VISIBLE_DEVICES."""
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = _context().Process(target=_count_gpus, args=(writer,))
    process.start()
    writer.close()
    try:
        count: int = reader.recv()
    except EOFError:  # torch could not even count them
        count = 0
    process.join()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else [str(index) for index in range(count)]
    return names[:count]


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unroll.sweep.warm"])
    return context


def _nothing() -> None:
    """The task of a process that only shows that processes can be forked."""


def _count_gpus(writer: Connection) -> None:
    import torch

    writer.send(torch.cuda.device_count())


def _main(task: Task) -> None:
    """What a trial's process does."""
    os.setsid()
    threading.Thread(target=_die_with_the_sweep, daemon=True).start()
    _offer_to_the_kernel()
    _write_to(RunFolder(Path(task.values["run_dir"])).output)
    os.environ.update(task.environment)
    sys.argv = task.argv
    from unroll.sweep.run_trial import run_trial

    sys.exit(run_trial(task.values, task.sweep))


def _die_with_the_sweep() -> None:
    sweep = multiprocessing.parent_process()
    assert sweep is not None
    sweep.join()
    os.killpg(0, signal.SIGKILL)


def _offer_to_the_kernel() -> None:
    adjustment = Path("/proc/self/oom_score_adj")
    if adjustment.exists():
        adjustment.write_text(str(OOM_SCORE_ADJUSTMENT))


def _write_to(path: Path) -> None:
    """Send what this process prints, and what it starts prints, to a file."""
    with path.open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a killed trial loses nothing
