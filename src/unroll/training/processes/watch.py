"""Watches the processes of a run: if one ends too early, the others end too."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from unroll.errors import UnrollError
from unroll.runs.folder import RunFolder
from unroll.startup import number
from unroll.training.processes import torchrun
from unroll.training.processes.peers import GOOD, Peers
from unroll.training.processes.rank import rank
from unroll.training.processes.started import WAIT_SECONDS, Started, started

FIRST_PROCESS_VARIABLE = "UNROLL_FIRST_PROCESS"
"""The environment variable that tells the other processes the process id of the first."""

GRACE_SECONDS = 5.0
"""How long a process may take to end by itself after another has failed. On a GPU it may hang."""

_LOST = re.compile("closed by peer|reset by peer|Broken pipe|pair closure|remote process exited")
"""How torch words it, in a RuntimeError, that another process is gone."""


class LostProcessError(UnrollError):
    """A process of the run has ended too early. Its exit code is used if it has a meaning (2, 3 or 4)."""

    def __init__(self, what: str, folder: RunFolder, code: int = 1) -> None:
        super().__init__(f"{what}; `unroll resume {folder.argument()}` goes on from the last checkpoint")
        self.exit_code = code if code in (2, 3, 4) else 1


@contextmanager
def watching(launcher: Any, folder: RunFolder) -> Iterator[None]:
    """Watch the other processes of a run; none of them is left afterwards.

    Raises:
        LostProcessError: a process has failed. It has printed its own error already.
    """
    found = started()
    with _with_children(launcher, folder) if found is None else _beside_others(found, folder):
        yield


@contextmanager
def _with_children(launcher: Any, folder: RunFolder) -> Iterator[None]:
    """The first process watches those that it starts; they watch the first."""
    if FIRST_PROCESS_VARIABLE in os.environ and rank() > 0:
        threading.Thread(target=_end_after, args=(number(FIRST_PROCESS_VARIABLE),), daemon=True).start()
    watched = _Others(launcher, folder)
    try:
        yield
        watched.wait()
    except UnrollError:
        raise
    except Exception as error:
        if failure := watched.failure(wait_s=2):
            raise failure from error
        if _LOST.search(str(error)) is None:
            raise
        # The first process prints the message.
        if FIRST_PROCESS_VARIABLE in os.environ and not watched.processes:
            raise SystemExit(0) from error
        raise LostProcessError("another process of the run has ended", folder) from error
    finally:
        watched.kill()


@contextmanager
def _beside_others(found: Started, folder: RunFolder) -> Iterator[None]:
    """Processes that torchrun or srun has started; on each node the first prints what has become of another.

    srun --kill-on-bad-exit=1 ends them itself.
    """
    peers = None
    if found.by == "torchrun" and found.processes > 1:

        def say(what: str, code: int) -> None:
            if found.local_rank == 0:
                print(f"error: {LostProcessError(what, folder, code)}", file=sys.stderr, flush=True)

        peers = Peers(torchrun.store(), rank(), found.processes, GRACE_SECONDS, say)
    code = 1
    try:
        yield
        code = GOOD
    except SystemExit as error:  # all end together, and the first prints why
        code = GOOD
        raise torchrun.silent_exit(error.code) from error
    except UnrollError as error:
        code = error.exit_code
        raise
    except Exception as error:
        lost = peers.wait_for_loss(seconds=2) if peers else None
        if lost is None and _LOST.search(str(error)) is None:
            raise
        what, code = lost or ("another process of the run has ended", 1)
        if found.local_rank > 0:
            time.sleep(WAIT_SECONDS)  # torchrun would end the first of the node, before it has printed
            raise SystemExit(code) from error
        raise LostProcessError(what, folder, code) from error
    finally:
        if peers:
            peers.leave(code)


class _Others:
    """The processes that the first process has started; none in the other processes."""

    def __init__(self, launcher: Any, folder: RunFolder) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self._over = threading.Event()
        if isinstance(launcher, _SubprocessScriptLauncher):
            launcher._call_children_scripts = self._start_by(launcher)  # type: ignore[method-assign]

    def _start_by(self, launcher: _SubprocessScriptLauncher) -> Callable[[], None]:
        start = launcher._call_children_scripts

        def start_and_watch() -> None:
            os.environ[FIRST_PROCESS_VARIABLE] = str(os.getpid())
            start()
            # Lightning would kill this process after one of them, without a message.
            self.processes, launcher.procs = launcher.procs, []
            threading.Thread(target=self._watch, daemon=True).start()

        return start_and_watch

    def failure(self, wait_s: float = 0) -> LostProcessError | None:
        """The error of a failed process, or None. It waits up to `wait_s` for a process that is failing."""
        end = time.monotonic() + wait_s * bool(self.processes)
        while True:
            for place, process in enumerate(self.processes, start=2):
                if code := process.poll():
                    how = (
                        f"was ended by {signal.Signals(-code).name}"
                        if code < 0
                        else f"failed with exit code {code}"
                    )
                    what = f"process {place} of {len(self.processes) + 1} {how}"
                    return LostProcessError(what, self._folder, code)
            if time.monotonic() >= end:
                return None
            time.sleep(0.05)

    def wait(self) -> None:
        """Wait until the processes have ended. Call it when their work is done.

        Raises:
            LostProcessError: a process has failed, or does not end.
        """
        for process in self.processes:
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                raise LostProcessError("a process of the run does not end", self._folder) from None
        if failure := self.failure():
            raise failure

    def kill(self) -> None:
        """Kill the processes that are still running."""
        self._over.set()
        for process in self.processes:
            process.kill()
            process.wait()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            failure = self.failure()
            if failure is not None and not self._over.wait(GRACE_SECONDS):
                print(f"error: {failure}", file=sys.stderr, flush=True)
                self.kill()
                os._exit(failure.exit_code)


def _end_after(first: int) -> None:
    """End this process after the first process is gone, for example killed."""
    while os.getppid() == first:
        time.sleep(0.5)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
