"""A trial: one run of a sweep, in a folder of its own, which says how far it got."""

import dataclasses
import hashlib
import json
import signal
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from unroll.errors import InputError
from unroll.foreign import read_json
from unroll.redact import redact
from unroll.runs.folder import RunFolder
from unroll.sweep.locks import Ownership

OWN_WAY = {"run_dir": True, "logger": True, "sweep": True, "trainer": {"threads": True, "progress_bar": True}}
"""Keys that change nothing of what a run learns."""


class TrialState(Enum):
    """How far a trial got. `killed` is one that ended without a word, as for want of memory."""

    waiting = "waiting"
    running = "running"
    finished = "finished"
    pruned = "pruned"
    failed = "failed"
    timed_out = "timed_out"
    killed = "killed"

    @property
    def is_failure(self) -> bool:
        """Whether it ended otherwise than it should."""
        return self in (TrialState.failed, TrialState.timed_out, TrialState.killed)


@dataclass(kw_only=True, slots=True)
class Record:
    """What trial.json holds.

    `identity` stands for the config, `varied` for what varies over the sweep, `overrides` for the whole
    command line. `values` are those of the objectives, and `directions` whether to minimise or maximise them.
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
        """Say how it failed, in one line."""
        self.state, self.reason, self.exit_code = state, redact(" ".join(reason.split())), exit_code

    def can_go_on(self, other: "Record") -> bool:
        """Whether a trial with the other record may go on where this one was stopped or killed."""
        return self.identity == other.identity and self.state in (
            TrialState.running,
            TrialState.killed,
            TrialState.timed_out,
        )

    def write(self, folder: RunFolder) -> None:
        """Write trial.json, at once or not at all."""
        values = dataclasses.asdict(self) | {
            "state": self.state.value,
            "overrides": [redact(override) for override in self.overrides],
        }
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_json(folder.trial, values)


def read_record(folder: RunFolder) -> Record | None:
    """The record of a trial's folder; None where there is none that can be read."""
    try:
        values = read_json(folder.trial)
        return Record(**{**values, "state": TrialState(values["state"])})
    except (InputError, KeyError, TypeError, ValueError):
        return None


def identity(values: dict[str, Any]) -> str:
    """A short name of a config: the same for all that learn the same."""
    text = json.dumps(_without(values, OWN_WAY), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without(values: dict[str, Any], left_out: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in values.items() if left_out.get(key) is not True}
    for key, inner in left_out.items():
        if isinstance(inner, dict) and isinstance(rest.get(key), dict):
            rest[key] = _without(rest[key], inner)
    return rest


@dataclass(kw_only=True, slots=True)
class Trial:
    """A trial that is this process's to run: its record, its folder, its command line, its config."""

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
        """Say that it runs; `anew` in an empty folder, without what an earlier attempt left.

        The record stays until the new one takes its place: a trial without one would be a stranger.
        """
        if anew:
            self.folder.empty(besides=self.folder.trial)
        self.record.state = TrialState.running
        self.record.write(self.folder)

    def conclude(self, exit_code: int | None, seconds: float | None, *, timed_out: bool = False) -> None:
        """Find out how it ended, where its own process has not said so."""
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
