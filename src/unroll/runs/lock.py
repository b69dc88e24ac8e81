"""One run per folder: it holds a lock on its run.log, which the system takes back when the process ends."""

import fcntl
import os
from pathlib import Path

from unroll.errors import InputError

LOG_FILE = "run.log"


def take(file: int, run_dir: Path) -> None:
    """Lock a run's folder, by the descriptor of its open log, for as long as this process has the log open.

    It is a POSIX record lock: unlike one of flock, no loader's worker inherits it, to hold it after a kill.
    For the same reason the process must not open the log a second time: closing that would give it up.

    Raises:
        InputError: another process holds it.
    """
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        raise InputError(
            f"{run_dir}: a run is going on in this folder; wait for it, or stop it first"
        ) from error


def require_free(run_dir: Path) -> None:
    """Find out whether a run is going on in a folder, before anything that takes time.

    Raises:
        InputError: so it is.
    """
    path = run_dir / LOG_FILE
    if path.exists() and os.access(path, os.W_OK):
        with path.open("a") as file:
            take(file.fileno(), run_dir)
