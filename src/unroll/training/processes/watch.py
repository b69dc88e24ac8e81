"""The processes of a run: what becomes of the others when one of them ends before its time."""

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
from unroll.training.processes.rank import number, rank

FIRST = "UNROLL_FIRST_PROCESS"
"""The environment variable that tells the processes that the first has started who that is."""

GRACE_S = 5.0
"""What a process that another has left alone has for ending by itself. On a GPU it may wait for ever."""

_LOST = re.compile("closed by peer|reset by peer|Broken pipe|pair closure|remote process exited")
"""How torch says, in a RuntimeError, that another process is no longer there."""


class LostProcessError(UnrollError):
    """A process of the run has ended before its time. The exit code is that process's, where it tells why."""

    def __init__(self, what: str, folder: RunFolder, code: int = 1) -> None:
        super().__init__(f"{what}; `unroll resume {folder}` goes on from the last checkpoint")
        self.exit_code = code if code in (2, 3, 4) else 1


@contextmanager
def watching(launcher: Any, folder: RunFolder) -> Iterator[None]:
    """Within it the others are watched, and afterwards there are none.

    Raises:
        LostProcessError: one has failed, of which it has told what there is to tell.
    """
    if FIRST in os.environ and rank() > 0:
        threading.Thread(target=_end_after, args=(number(FIRST),), daemon=True).start()
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
        if FIRST in os.environ and not watched.processes:  # the first says it
            raise SystemExit(0) from error
        raise LostProcessError("another process of the run has ended", folder) from error
    finally:
        watched.kill()


class _Others:
    """The processes that this one has started to compute with it: none, but in the first."""

    def __init__(self, launcher: Any, folder: RunFolder) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self._over = threading.Event()
        if isinstance(launcher, _SubprocessScriptLauncher):
            launcher._call_children_scripts = self._start_by(launcher)  # type: ignore[method-assign]

    def _start_by(self, launcher: _SubprocessScriptLauncher) -> Callable[[], None]:
        start = launcher._call_children_scripts

        def start_and_watch() -> None:
            os.environ[FIRST] = str(os.getpid())
            start()
            # Lightning would kill this process after one of them, without a word.
            self.processes, launcher.procs = launcher.procs, []
            threading.Thread(target=self._watch, daemon=True).start()

        return start_and_watch

    def failure(self, wait_s: float = 0) -> LostProcessError | None:
        """What is to be said of the first that has failed; it may take a moment until it is known."""
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
        """Wait for their end, after that of the work that they share.

        Raises:
            LostProcessError: one has failed, or does not come to an end.
        """
        for process in self.processes:
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                raise LostProcessError("a process of the run does not end", self._folder) from None
        if failure := self.failure():
            raise failure

    def kill(self) -> None:
        """End those that have not ended."""
        self._over.set()
        for process in self.processes:
            process.kill()
            process.wait()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            failure = self.failure()
            if failure is not None and not self._over.wait(GRACE_S):
                print(f"error: {failure}", file=sys.stderr, flush=True)
                self.kill()
                os._exit(failure.exit_code)


def _end_after(first: int) -> None:
    """End this process, too, once the first has ended, as by a kill."""
    while os.getppid() == first:
        time.sleep(0.5)
    time.sleep(GRACE_S)
    os._exit(1)
