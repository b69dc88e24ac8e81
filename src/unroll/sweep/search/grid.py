"""A grid: every combination once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unroll.config.registry import to_dict
from unroll.config.root import load
from unroll.config.sweep import SweepConfig
from unroll.errors import InputError
from unroll.runs.folder import RunFolder
from unroll.sweep.commands import Commands
from unroll.sweep.search.objectives import Objectives
from unroll.sweep.search.queue import TrialQueue
from unroll.sweep.search.space import Space
from unroll.sweep.trials import Record, Trial, TrialState, identity, read_record


class Grid(TrialQueue):
    """The trials of a grid.

    A trial is identified by its config. Combinations that are added get the next numbers, and a finished one
    is not run again, not even by a later Unroll whose configs have more keys.

    Raises:
        InputError: a combination is wrong. No trial has been started then.
    """

    def __init__(
        self, space: Space, commands: Commands, folder: Path, config: SweepConfig, objectives: Objectives
    ) -> None:
        super().__init__(commands, folder, objectives)
        self._retry_failed = config.retry_failed
        self._varied: dict[str, Mapping[str, str]] = {}  # by the identity of the config
        self._values: dict[str, dict[str, Any]] = {}
        for varied in space.combinations():
            values = commands.values(commands.overrides(varied, number=0))
            name = identity(values)
            self._varied[name], self._values[name] = varied, values
        self._names: dict[int, str] = {}  # the identities by trial number
        self._tried: set[int] = set()

    @property
    def size(self) -> int:
        return len(self._varied)

    def _next(self) -> Trial | None:
        for number in self._open():
            ownership = self._claim(number)
            if ownership is not None:
                self._tried.add(number)
                name = self._names[number]
                return self._begin(number, self._varied[name], self._values[name], ownership)
        return None

    def _numbers(self) -> list[int]:
        return list(self._names)

    def _open(self) -> list[int]:
        return [record.number for record in self.records() if self._is_open(record)]

    def _is_open(self, record: Record) -> bool:
        again = self._retry_failed and record.state.is_failure and record.number not in self._tried
        return record.state in (TrialState.waiting, TrialState.running) or again

    def _note(self, trial: Trial) -> None:
        trial.record.write(trial.folder)

    def _prepare(self) -> None:
        """Number the trials. Existing ones keep their numbers, new ones get the next numbers."""
        found = [read_record(folder) for folder in map(RunFolder, self._folder.glob("*"))]
        records = [record for record in found if record is not None]
        records.sort(key=lambda record: (record.identity in self._varied, record.number))
        known = {self._name(record): record.number for record in records}
        following = max((record.number for record in records), default=-1) + 1
        for name, varied in self._varied.items():
            if name not in known:
                known[name], following = following, following + 1
                overrides = self._commands.overrides(varied, known[name])
                record = Record(number=known[name], identity=name, varied=dict(varied), overrides=overrides)
                record.write(self._commands.folder(known[name]))
        self._names = {known[name]: name for name in self._varied}

    def _name(self, record: Record) -> str:
        """The identity of a trial by today's keys: the config that its run wrote may lack newer ones."""
        if record.identity in self._varied:
            return record.identity
        try:
            written = self._commands.folder(record.number).read_config()
            return identity(to_dict(load(written)))
        except InputError:  # no run has begun, or a key has been renamed since
            return record.identity
