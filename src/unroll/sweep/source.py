"""Where a sweep's trials come from."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unroll.errors import InputError
from unroll.foreign import read_json
from unroll.sweep.commands import Commands
from unroll.sweep.locks import Ownership, exclusive
from unroll.sweep.objectives import Objectives
from unroll.sweep.trials import Record, State, Trial, identity, read_record

DEFINITION = "sweep.json"


class Source(ABC):
    """Hands out the trials of a sweep that are left, to several processes at once if need be.

    All that it knows stands in the sweep's folder: after any end it goes on from there.
    """

    def __init__(self, commands: Commands, folder: Path, objectives: Objectives) -> None:
        self._commands = commands
        self._folder = folder
        self._objectives = objectives
        self._own: set[int] = set()

    def open(self, definition: dict[str, Any]) -> None:
        """Begin, or go on, in the sweep's folder. The definition is what must not have changed since.

        Raises:
            InputError: the folder is that of another sweep.
        """
        with exclusive(self._lock("sweep")):
            path = self._folder / DEFINITION
            before = read_json(path) if path.is_file() else {}
            for key, value in definition.items():
                if before and before.get(key) != value:
                    raise InputError(
                        f"sweep.name={self._folder.name}: {self._folder} is of a sweep with another {key} "
                        f"({before.get(key)}, not {value}); give this one another name"
                    )
            if not before:
                path.write_text(json.dumps(definition, indent=2, ensure_ascii=False), encoding="utf-8")
            self._prepare()

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of trials wanted."""

    def take(self) -> Trial | None:
        """The next trial, which is this process's from now on; None if none is left, or others run them."""
        with exclusive(self._lock("sweep")):
            trial = self._next()
        if trial is not None:
            self._own.add(trial.record.number)
        return trial

    def close(self, trial: Trial) -> None:
        """Keep what a trial has come to, and own it no longer.

        Raises:
            InputError: it has not measured what it is to be compared by. It still counts as running then.
        """
        try:
            if trial.record.state is State.finished:
                self._objectives.measure(trial.record, trial.folder.read_results() or {})
            with exclusive(self._lock("sweep")):
                self._note(trial)
        finally:
            self.put_back(trial)

    def put_back(self, trial: Trial) -> None:
        """Leave a trial to whoever comes next."""
        self._own.discard(trial.record.number)
        trial.ownership.release()

    def awaits_others(self) -> bool:
        """Whether other processes run trials of this sweep."""
        with exclusive(self._lock("sweep")):
            return bool(set(self._open()) - self._own)

    def records(self) -> list[Record]:
        """The records of all trials there are."""
        found = (read_record(self._commands.folder(number)) for number in self._numbers())
        return [record for record in found if record is not None]

    @abstractmethod
    def _prepare(self) -> None:
        """Find out what there is in the folder, and make what is missing."""

    @abstractmethod
    def _next(self) -> Trial | None: ...

    @abstractmethod
    def _numbers(self) -> list[int]:
        """The numbers of all trials there are."""

    @abstractmethod
    def _open(self) -> list[int]:
        """The numbers of those that are still to be run, or to come to their end."""

    @abstractmethod
    def _note(self, trial: Trial) -> None:
        """Write a trial's record, and take note of its end."""

    def _claim(self, number: int) -> Ownership | None:
        """Become the owner of a trial, unless it has one. To be asked under the sweep's lock."""
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
        """A trial in a folder of its own, in which it goes on if it had been stopped or killed."""
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
