"""Locks on files, which the system takes back when their holder dies, however it dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """One process at a time; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Ownership:
    """What the owners of a trial hold: the process that started it, and the one that trains."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def claim(self) -> bool:
        """Become an owner, unless there is one. To be asked by one process at a time."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.join()
        return True

    def join(self) -> None:
        """Become an owner beside others."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def release(self) -> None:
        """Be none any longer."""
        self._file.close()
