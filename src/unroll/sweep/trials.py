"""A trial: one run of a sweep, in its own folder, with a record of its state in trial.json."""

import dataclasses
import hashlib
import json
import signal
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from unroll.errors import InputError
from unroll.redact import redact
from unroll.runs.effect import KEYS_WITHOUT_EFFECT, without
from unroll.runs.folder import RunFolder
from unroll.sweep.locks import Ownership


class TrialState(Enum):
    """The state of a trial. `killed`: it ended without a message, for example when memory ran out."""

    waiting = "waiting"
    running = "running"
    finished = "finished"
    pruned = "pruned"
    failed = "failed"
    timed_out = "timed_out"
    killed = "killed"

    @property
    def is_failure(self) -> bool:
        """Whether the trial failed, took too long, or was killed."""
        return self in (TrialState.failed, TrialState.timed_out, TrialState.killed)


@dataclass(kw_only=True, slots=True)
class Record:
    """The content of trial.json.

    `identity` identifies the config; `varied` holds the settings that vary in the sweep; `overrides` is the
    whole command line. `values` are the values of the objectives, `directions` their directions.
    """

    number: int
    identity: str = ""
    varied: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    state: TrialState = TrialState.waiting
    exit_code: int | None = None
    reason: str | None = None
    seconds: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    directions: dict[str, str] = field(default_factory=dict)

    def end(self, state: TrialState, reason: str, exit_code: int | None) -> None:
        """Record how the trial ended, in one line."""
        self.state, self.reason, self.exit_code = state, redact(" ".join(reason.split())), exit_code

    def can_go_on(self, other: "Record") -> bool:
        """Whether a trial with the other record may resume where this one was stopped or killed."""
        return self.identity == other.identity and self.state in (
            TrialState.running,
            TrialState.killed,
            TrialState.timed_out,
        )

    def write(self, folder: RunFolder) -> None:
        """Write trial.json, completely or not at all."""
        values = dataclasses.asdict(self) | {
            "state": self.state.value,
            "overrides": [redact(override) for override in self.overrides],
        }
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_json(folder.trial, values)


def read_record(folder: RunFolder) -> Record | None:
    """The record in a trial's folder; None if there is no readable record."""
    try:
        values = folder.read_values(folder.trial)
        return Record(**{**values, "state": TrialState(values["state"])})
    except (InputError, KeyError, TypeError, ValueError):
        return None


def identity(values: dict[str, Any]) -> str:
    """A short code for a config. Configs that learn the same have the same code."""
    text = json.dumps(without(values, KEYS_WITHOUT_EFFECT), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(kw_only=True, slots=True)
class Trial:
    """A trial that this process runs: its record, its folder, its command line, its config."""

    record: Record
    folder: RunFolder
    overrides: list[str]
    values: dict[str, Any]
    ownership: Ownership

    @property
    def is_over(self) -> bool:
        """Whether the run has written its results."""
        return self.folder.read_results() is not None

    def begin(self, *, anew: bool) -> None:
        """Record that the trial is running. `anew` first removes the files of an earlier attempt.

        The old record stays until the new one replaces it: other processes need it to know the trial.

        Raises:
            InputError: the folder holds something that leads out of it.
        """
        self.folder.require_own_files()
        if anew:
            self.folder.empty(besides=self.folder.trial)
        self.record.state = TrialState.running
        self.record.write(self.folder)

    def conclude(self, exit_code: int | None, seconds: float | None, *, timed_out: bool = False) -> None:
        """Record how the trial ended, if its own process has not done so."""
        record = read_record(self.folder) or self.record
        results = self.folder.read_results()
        if seconds is None and results is not None:
            seconds = results.get("seconds")
        record.seconds = round(seconds, 2) if seconds is not None else None
        if record.state is TrialState.running:
            if results is not None:
                record.state = TrialState.finished
            elif timed_out:
                record.end(TrialState.timed_out, "it took longer than sweep.minutes", exit_code)
            elif exit_code in (75, 130):
                record.end(TrialState.killed, "it was stopped by a signal", exit_code)
            elif exit_code is None or exit_code < 0:
                record.end(TrialState.killed, _killed(exit_code), exit_code)
            else:
                record.end(TrialState.failed, f"it exited with code {exit_code}", exit_code)
        self.record = record


def _killed(exit_code: int | None) -> str:
    if exit_code is None:
        return "its process is gone"
    name = signal.Signals(-exit_code).name
    memory = "; perhaps memory ran out" if name == "SIGKILL" else ""
    return f"it was killed by {name}{memory}"
