"""Runs the trials of a sweep on this machine, `n_jobs` at once, each in a warm process of its own."""

import math
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from types import FrameType
from typing import Any

from unroll.config.sweep import TRIAL, SweepConfig
from unroll.sweep.commands import Commands
from unroll.sweep.processes import Task, TrialProcess, gpus, warm_up
from unroll.sweep.progress import Progress
from unroll.sweep.search.queue import TrialQueue
from unroll.sweep.trials import Trial

POLL_SECONDS = 0.5
"""How often this process looks for trials that other processes have left."""

GRACE_SECONDS = 10.0
"""The time that a trial has to save itself once it is asked to stop."""


def run_jobs(queue: TrialQueue, commands: Commands, config: SweepConfig, progress: Progress) -> None:
    """Run all trials that are left.

    Raises:
        InputError: a trial did not measure one of the sweep's objectives.
        KeyboardInterrupt, SystemExit: Ctrl-C, SIGTERM, SIGHUP; the trials have been stopped.
    """
    jobs = _Jobs(queue, commands, config, progress)
    with _termination_raises():
        try:
            jobs.run()
        finally:
            jobs.stop()


class _Jobs:
    """The trials that are running."""

    def __init__(
        self, queue: TrialQueue, commands: Commands, config: SweepConfig, progress: Progress
    ) -> None:
        self._queue = queue
        self._commands = commands
        self._config = config
        self._progress = progress
        self._running: dict[int, TrialProcess] = {}  # by slot
        self._gpus: list[str] | None = None
        self._is_warm = False

    def run(self) -> None:
        waiting = False
        while True:
            self._fill()
            if self._running:
                self._await()
            elif not self._queue.awaits_others():
                return
            else:
                if not waiting:
                    self._progress.say("waiting for trials that other processes run")
                waiting = True
                time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Let the trials save themselves, then end them."""
        for process in self._running.values():
            process.stop()
        until = time.monotonic() + GRACE_SECONDS
        for process in self._running.values():
            connection.wait([process.sentinel], max(0.0, until - time.monotonic()))
        for process in self._running.values():
            process.kill()
            process.wait()

    def _fill(self) -> None:
        """Give every free slot a trial, as long as there are trials left."""
        while len(self._running) < self._config.n_jobs:
            trial = self._queue.take()
            if trial is None:
                return
            if trial.is_over:  # it left its results, but its sweep was killed before it read them
                self._conclude(trial, 0, None)
                continue
            if not self._is_warm:
                warm_up()
                self._is_warm = True
            slot = min(set(range(self._config.n_jobs)) - self._running.keys())
            self._running[slot] = TrialProcess(trial, self._task(trial, slot), slot)

    def _await(self) -> None:
        """Wait until a trial ends or has taken too long, or until another process may have left one."""
        pauses = [self._remaining(process) for process in self._running.values()]
        if len(self._running) < self._config.n_jobs:
            pauses.append(POLL_SECONDS)
        pause = min(pauses)
        ended = connection.wait(
            [process.sentinel for process in self._running.values()],
            None if math.isinf(pause) else max(0.0, pause),
        )
        for slot, process in list(self._running.items()):
            if process.sentinel in ended:
                code = process.wait()
                del self._running[slot]
                self._conclude(process.trial, code, process.seconds, timed_out=process.stopped)
            elif self._remaining(process) <= 0:
                process.kill() if process.stopped else process.stop()

    def _remaining(self, process: TrialProcess) -> float:
        """Seconds until a running trial has to be stopped or killed."""
        limit = math.inf if self._config.minutes is None else 60 * self._config.minutes
        return limit + GRACE_SECONDS * process.stopped - process.seconds

    def _conclude(
        self, trial: Trial, code: int | None, seconds: float | None, *, timed_out: bool = False
    ) -> None:
        trial.conclude(code, seconds, timed_out=timed_out)
        self._queue.close(trial)
        self._progress.tell(trial.record)

    def _task(self, trial: Trial, slot: int) -> Task:
        """What a trial's process is to do, and its share of the machine."""
        trainer: dict[str, Any] = trial.values["trainer"]
        devices = int(trainer["devices"]) if trainer["devices"] != "auto" else 1
        share = max(1, len(os.sched_getaffinity(0)) // (self._config.n_jobs * devices))
        threads = min(trainer["threads"] or share, share)
        if trainer["threads"] is not None and trainer["threads"] > share:
            self._progress.say_once(
                f"trainer.threads={trainer['threads']}: with sweep.n_jobs={self._config.n_jobs} "
                f"each process gets {share}"
            )
        # Lightning's DDP chooses the number of threads where nobody else does.
        environment = {TRIAL: str(trial.folder), "OMP_NUM_THREADS": str(threads)}
        if trainer["accelerator"] != "cpu" and self._config.n_jobs > 1:
            if self._gpus is None:
                self._gpus = gpus()
            if len(self._gpus) > 1:
                own_gpus = share_of(self._gpus, slot, self._config.n_jobs)
                environment["CUDA_VISIBLE_DEVICES"] = ",".join(own_gpus)
        return Task(
            values={**trial.values, "trainer": {**trainer, "threads": threads}},
            sweep=self._config,
            argv=self._commands.argv([*trial.overrides, f"trainer.threads={threads}"]),
            environment=environment,
        )


def share_of(gpus: Sequence[str], slot: int, n_jobs: int) -> Sequence[str]:
    """The GPUs of one job: its part of them, or one that it shares where there are fewer GPUs than jobs."""
    return gpus[slot::n_jobs] if len(gpus) >= n_jobs else [gpus[slot % len(gpus)]]


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Make signals that end a process raise, so that it can clean up. It exits with the code of shells."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
