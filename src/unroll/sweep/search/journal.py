"""The file that holds an Optuna study. Any number of processes may write it, and may be killed."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.storages.journal._file import BaseJournalFileLock

from unroll.config.sweep import Direction, Pruner

STUDY_NAME = "sweep"
JOURNAL_FILE = "study.journal"


class _Lock(BaseJournalFileLock):
    """A lock that ends with its holder. Optuna's own would block the others for half a minute."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._held: IO[bytes] | None = None

    def acquire(self) -> bool:
        self._held = self._journal.open("r+b")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._mend(self._held)
        return True

    def release(self) -> None:
        assert self._held is not None
        self._held.close()
        self._held = None

    def _mend(self, journal: IO[bytes]) -> None:
        """Drop an unfinished last line: its writer was killed, and nobody could read past it."""
        size = journal.seek(0, os.SEEK_END)
        if size == 0:
            return
        journal.seek(-1, os.SEEK_END)
        if journal.read(1) != b"\n":
            journal.seek(0)
            journal.truncate(journal.read().rfind(b"\n") + 1)


def open_study(folder: Path, directions: Sequence[Direction], pruner: Pruner) -> optuna.Study:
    """The study of a sweep's folder. If there is none, it is made: let one process at a time do that."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = folder / JOURNAL_FILE
    path.touch()
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_Lock(path)))
    return optuna.create_study(
        storage=storage,
        study_name=STUDY_NAME,
        directions=[direction.value for direction in directions],
        pruner=_make_pruner(pruner),
        load_if_exists=True,
    )


def _make_pruner(pruner: Pruner) -> BasePruner:
    match pruner:
        case Pruner.none:
            return NopPruner()
        case Pruner.median:
            return MedianPruner()
        case Pruner.hyperband:
            return HyperbandPruner()
