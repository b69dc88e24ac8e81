"""One run per folder: a run locks its log, and the system releases the lock when the process ends."""

import fcntl
from pathlib import Path

from unroll.errors import InputError


def take(log: int, folder: Path) -> None:
    """Lock a run's folder, by the descriptor of its open log, until this process closes the log.

    The lock is a POSIX record lock. Loader workers do not inherit it, unlike a lock of flock, which they
    could hold after a kill. The process must not open the log a second time: closing it would release the
    lock.

    Raises:
        InputError: another process holds the lock.
    """
    try:
        fcntl.lockf(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        raise InputError(
            f"{folder}: another run is using this folder; wait for it, or stop it first"
        ) from error
