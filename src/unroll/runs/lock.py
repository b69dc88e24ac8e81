"""One run per folder: it holds a lock on its log, which the system takes back when the process ends."""

import fcntl
from pathlib import Path

from unroll.errors import InputError


def take(log: int, folder: Path) -> None:
    """Lock a run's folder, by the descriptor of its open log, for as long as this process has the log open.

    It is a POSIX record lock: unlike one of flock, no loader's worker inherits it, to hold it after a kill.
    For the same reason the process must not open the log a second time: closing that would give it up.

    Raises:
        InputError: another process holds it.
    """
    try:
        fcntl.lockf(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        raise InputError(
            f"{folder}: a run is going on in this folder; wait for it, or stop it first"
        ) from error
