"""Warm processes: each has torch and Lightning from the start, and runs one trial.

Such a process is forked from one that has imported all that a run needs and done nothing else. It leads a
session of its own, so that all that it starts can be killed with it: ranks, loader workers.
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

BEFORE_OTHERS = 500
"""Added to how readily the kernel ends a process for want of memory: rather a trial than the sweep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that a trial's process is told."""

    values: dict[str, Any]
    sweep: SweepConfig
    argv: list[str]
    environment: dict[str, str]


class TrialProcess:
    """The process of a trial, from its start on.

    Attributes:
        sentinel: becomes ready when it has ended.
        stopped: whether it has been asked to end.
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
        """How long it has been running."""
        return time.monotonic() - self.started

    def stop(self) -> None:
        """Ask it to end: a run saves itself first, so that it can go on from there."""
        self.stopped = True
        if self._process.is_alive():
            self._process.terminate()

    def kill(self) -> None:
        """End it, and all that it has started."""
        pid = self._process.pid
        assert pid is not None
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has not come to make its session, or has ended
            if self._process.is_alive():
                self._process.kill()

    def wait(self) -> int | None:
        """Its exit code, once it has ended; what it has left running is killed."""
        self._process.join()
        self.kill()
        return self._process.exitcode


def warm_up() -> None:
    """Wait until the process that trials are forked from has imported all: no trial's time is to count it."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is imported
    sockets.keep_paths_short()
    process = _context().Process(target=_nothing)
    process.start()
    process.join()


def gpus() -> list[str]:
    """The GPUs that torch can use, as CUDA_VISIBLE_DEVICES names them."""
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
    """Shows that processes can be forked."""


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
        adjustment.write_text(str(BEFORE_OTHERS))


def _write_to(path: Path) -> None:
    """Send what is printed here, and by all processes started here, to a file."""
    with path.open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a killed one loses nothing
