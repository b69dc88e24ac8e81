"""Locks on files. The system releases them when their holder dies, even by a kill."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one process in at a time; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Ownership:
    """The lock of a trial. Two processes hold it: the one that started the trial, and the one that trains."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def claim(self) -> bool:
        """Become an owner, unless there is one already. One process at a time may call this."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.join()
        return True

    def join(self) -> None:
        """Become an owner in addition to others."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def release(self) -> None:
        """Stop being an owner."""
        self._file.close()
