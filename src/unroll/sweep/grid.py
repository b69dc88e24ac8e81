"""Every combination once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unroll.config.registry import to_dict
from unroll.config.root import load
from unroll.config.sweep import SweepConfig
from unroll.errors import InputError
from unroll.foreign import read_yaml
from unroll.sweep.commands import Commands
from unroll.sweep.objectives import Objectives
from unroll.sweep.source import Source
from unroll.sweep.space import Space
from unroll.sweep.trials import RECORD, Record, State, Trial, identity, read_record


class Grid(Source):
    """The trials of a grid.

    A trial is known by its config: where combinations are added they get the next numbers, and none that has
    finished is run again, neither by a later Unroll whose configs have more keys.

    Raises:
        InputError: any of the combinations is wrong. None has been started then.
    """

    def __init__(
        self, space: Space, commands: Commands, folder: Path, config: SweepConfig, objectives: Objectives
    ) -> None:
        super().__init__(commands, folder, objectives)
        self._retry_failed = config.retry_failed
        self._varied: dict[str, Mapping[str, str]] = {}  # by identity
        self._values: dict[str, dict[str, Any]] = {}
        for varied in space.combinations():
            values = commands.values(commands.overrides(varied, number=0))
            name = identity(values)
            self._varied[name], self._values[name] = varied, values
        self._names: dict[int, str] = {}  # identities by number
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
        return record.state in (State.waiting, State.running) or again

    def _note(self, trial: Trial) -> None:
        trial.record.write(trial.folder)

    def _prepare(self) -> None:
        """Number the trials: those that are there as they are, the others behind them."""
        found = [read_record(file.parent) for file in self._folder.glob(f"*/{RECORD}")]
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
        """The identity of a trial as it is today: to the config that its run has written come new keys."""
        if record.identity in self._varied:
            return record.identity
        try:
            written = read_yaml(self._commands.folder(record.number) / "config.yaml")
            return identity(to_dict(load(written)))
        except InputError:  # no run has been begun, or the key has another name since
            return record.identity
