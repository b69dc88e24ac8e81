"""The trials of a sweep that are left to run."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unroll.errors import InputError
from unroll.foreign import read_json
from unroll.runs.folder import RunFolder
from unroll.sweep.commands import Commands
from unroll.sweep.locks import Ownership, exclusive
from unroll.sweep.search.objectives import Objectives
from unroll.sweep.trials import Record, Trial, TrialState, identity, read_record

DEFINITION_FILE = "sweep.json"


class TrialQueue(ABC):
    """Hands out the trials that are left, also to several processes at once.

    It keeps everything it knows in the sweep's folder, so that it goes on from there after any end.
    """

    def __init__(self, commands: Commands, folder: Path, objectives: Objectives) -> None:
        self._commands = commands
        self._folder = folder
        self._objectives = objectives
        self._own: set[int] = set()

    def open(self, definition: dict[str, Any]) -> None:
        """Begin or go on in the sweep's folder. `definition` holds what must be the same as before.

        Raises:
            InputError: the folder belongs to another sweep.
        """
        RunFolder(self._folder).require_own_files()
        with exclusive(self._lock("sweep")):
            path = self._folder / DEFINITION_FILE
            before = read_json(path) if path.is_file() else {}
            for key, value in definition.items():
                if before and before.get(key) != value:
                    raise InputError(
                        f"sweep.name={self._folder.name}: {self._folder} belongs to a sweep with another "
                        f"{key} ({before.get(key)}, not {value}); give this one another name"
                    )
            if not before:
                path.write_text(json.dumps(definition, indent=2, ensure_ascii=False), encoding="utf-8")
            self._prepare()

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of trials wanted."""

    def take(self) -> Trial | None:
        """The next trial, owned by this process from now on. None if no trial is left, or others run them."""
        with exclusive(self._lock("sweep")):
            trial = self._next()
        if trial is not None:
            self._own.add(trial.record.number)
        return trial

    def close(self, trial: Trial) -> None:
        """Record how a trial ended, and give up its ownership.

        Raises:
            InputError: the trial did not measure one of the objectives. It then still counts as running.
        """
        try:
            if trial.record.state is TrialState.finished:
                self._objectives.measure(trial.record, trial.folder.read_results() or {})
            with exclusive(self._lock("sweep")):
                self._note(trial)
        finally:
            self.put_back(trial)

    def put_back(self, trial: Trial) -> None:
        """Give up the ownership of a trial, so that another process can take it."""
        self._own.discard(trial.record.number)
        trial.ownership.release()

    def awaits_others(self) -> bool:
        """Whether other processes run trials of this sweep."""
        with exclusive(self._lock("sweep")):
            return bool(set(self._open()) - self._own)

    def records(self) -> list[Record]:
        """The records of all trials."""
        found = (read_record(self._commands.folder(number)) for number in self._numbers())
        return [record for record in found if record is not None]

    @abstractmethod
    def _prepare(self) -> None:
        """Read what the folder holds, and make what is missing."""

    @abstractmethod
    def _next(self) -> Trial | None:
        """The next trial that nobody owns, claimed; None if there is none."""

    @abstractmethod
    def _numbers(self) -> list[int]:
        """The numbers of all trials."""

    @abstractmethod
    def _open(self) -> list[int]:
        """The numbers of the trials that have not ended."""

    @abstractmethod
    def _note(self, trial: Trial) -> None:
        """Write the record of a trial that has ended."""

    def _claim(self, number: int) -> Ownership | None:
        """Own a trial, unless it has an owner; call this under the sweep's lock."""
        ownership = Ownership(self._lock(f"{number:04d}"))
        if ownership.claim():
            return ownership
        ownership.release()
        return None

    def _begin(
        self,
        number: int,
        varied: Mapping[str, str],
        values: dict[str, Any],
        ownership: Ownership,
    ) -> Trial:
        """Begin a trial in its folder. A trial that was stopped or killed goes on there."""
        folder = self._commands.folder(number)
        overrides = self._commands.overrides(varied, number)
        name = identity(values)
        record = Record(number=number, identity=name, varied=dict(varied), overrides=overrides)
        values = {**values, "run_dir": str(folder)}
        trial = Trial(record=record, folder=folder, overrides=overrides, values=values, ownership=ownership)
        before = read_record(folder)
        trial.begin(anew=before is None or not before.can_go_on(record))
        return trial

    def _lock(self, name: str) -> Path:
        return self._folder / ".locks" / name
