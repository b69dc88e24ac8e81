"""A run on disk: the names of its files, and how they are made, locked, written and read."""

import csv
import errno
import itertools
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from unroll.errors import InputError, MissingEnvironmentError, reason
from unroll.foreign import read_json, read_yaml
from unroll.redact import redact
from unroll.runs import lock
from unroll.runs.files import clean, write
from unroll.runs.metrics import Curve, read_curves

ERRORS_OF_A_DISK = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)


class RunFolder:
    """The folder of a run. It knows every file's name and is free of torch.

    `writes` is False in the processes of a run that are not the first: what they write goes nowhere, so that
    the code around them need not ask which process it is in.

    Attributes:
        config, command, environment: the record of what was run, and on what.
        log: what the run has said; the lock of the folder is held on it.
        metrics, gradients: what was measured in training, a row each time.
        results: what came of the run. It is written last: a run that has it has finished.
        vocabulary, examples, confusion, accuracy_by_length: what the model reads and makes of the test data.
        last, best: the checkpoints.
        start: which start of which SLURM job has come to the folder last.
        trial, output: how far a trial of a sweep has come, and all that it printed.
        weights: the model of an export, which is a run of its own.
    """

    MARKS = ("trial.json", "results.json", "config.yaml")
    LAST = "last.ckpt"
    WEIGHTS = "model.safetensors"

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path = path
        self.writes = writes
        self.config = path / "config.yaml"
        self.command = path / "command.txt"
        self.environment = path / "environment.json"
        self.log = path / "run.log"
        self.metrics = path / "metrics.csv"
        self.gradients = path / "gradients.csv"
        self.results = path / "results.json"
        self.vocabulary = path / "vocabulary.json"
        self.examples = path / "examples.csv"
        self.confusion = path / "confusion.csv"
        self.accuracy_by_length = path / "accuracy_by_length.csv"
        self.checkpoints = path / "checkpoints"
        self.last = self.checkpoints / self.LAST
        self.best = self.checkpoints / "best.ckpt"
        self.start = path / "slurm.txt"
        self.trial = path / "trial.json"
        self.output = path / "output.txt"
        self.weights = path / self.WEIGHTS

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def of(cls, path: Path) -> "RunFolder":
        """The folder that a person means by `path`: it, or that of the checkpoint file which it is."""
        return cls(path.absolute().parents[1] if path.is_file() else path)

    @classmethod
    def make(cls, wanted: Path) -> "RunFolder":
        """A new folder of that name; where there is one already, another with -2, -3 … behind it.

        Raises:
            InputError: it cannot be made.
        """
        for path in numbered(wanted):
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except (OSError, ValueError) as error:
                raise InputError(
                    f"run_dir={wanted}: cannot be made ({reason(error)}); name another"
                ) from error
            return cls(path)
        raise AssertionError  # numbers do not end

    @property
    def was_begun(self) -> bool:
        """Whether a run has left the record of what it runs."""
        return self.config.is_file()

    def is_a_run(self) -> bool:
        """Whether a run, or a trial that has not come to run, has left anything here."""
        return any((self.path / mark).is_file() for mark in self.MARKS)

    def picture(self, name: str) -> Path:
        """The file of a picture."""
        return self.path / f"{name}.png"

    def pictures(self) -> list[Path]:
        """The pictures that are there, by name."""
        return sorted(self.path.glob("*.png"))

    def require_free(self) -> None:
        """Raise an `InputError` if a run is going on in the folder, before anything that takes time."""
        if self.writes and self.log.exists() and os.access(self.log, os.W_OK):
            with self.log.open("a") as file:
                lock.take(file.fileno(), self.path)

    def lock(self, log: int) -> None:
        """Hold the folder for as long as this process has its log open, whose descriptor is given.

        Raises:
            InputError: another process holds it.
        """
        if self.writes:
            lock.take(log, self.path)

    @contextmanager
    def disk_errors(self) -> Iterator[None]:
        """Say in one line that the folder cannot be written to.

        Raises:
            MissingEnvironmentError: in place of an OSError of a disk.
        """
        try:
            yield
        except OSError as error:
            if error.errno not in ERRORS_OF_A_DISK:
                raise
            raise self.cannot_write(error) from error

    def cannot_write(self, error: OSError) -> MissingEnvironmentError:
        """What to say of an error of the disk."""
        return MissingEnvironmentError(
            f"{error.filename or self}: cannot be written ({reason(error)}); what was saved before is whole: "
            f"mend that, then go on with `unroll resume {self}`"
        )

    def clean(self) -> None:
        """Remove the checkpoints that a killed process has left half written."""
        if self.writes:
            clean(self.checkpoints)

    def empty(self, *, besides: Path) -> None:
        """Remove all that is in the folder but one file, if there is a folder."""
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != besides:
                path.unlink()

    def write(self, file: Path, content: str) -> None:
        """Put all of a text into one of the files, or leave the file as it is."""
        if self.writes:
            write(file, content)

    def write_json(self, file: Path, values: Mapping[str, Any]) -> None:
        """Write plain values."""
        self.write(file, json.dumps(values, indent=2, ensure_ascii=False) + "\n")

    def write_csv(self, file: Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
        """Write a table."""
        if self.writes:
            with file.open("w", newline="", encoding="utf-8") as opened:
                csv.writer(opened).writerows([header, *rows])

    def write_record(self, values: dict[str, Any], environment: dict[str, Any]) -> None:
        """Write what is run, with these redacted values, and on what; the config comes last."""
        self.write(self.command, redact(shlex.join(["python", *sys.argv])) + "\n")
        self.write_json(self.environment, environment)
        self.write(self.config, as_yaml(values))

    def read_config(self) -> dict[str, Any]:
        """The values of config.yaml; nothing in it is looked up or executed.

        Raises:
            InputError: no run was begun here, or the file cannot be read.
        """
        if not self.was_begun:
            raise InputError(
                f"{self.config}: no such file, a run was never begun in this folder; give another"
            )
        return read_yaml(self.config)

    def read_environment(self) -> dict[str, Any]:
        """What the bits of the run depend on besides its config, as it was when the run began."""
        return read_json(self.environment)

    def read_results(self) -> dict[str, Any] | None:
        """What came of the run; None if it has not finished.

        Raises:
            InputError: the file was changed: it holds no results.
        """
        if not self.results.is_file():
            return None
        try:
            return read_json(self.results)
        except InputError as error:
            raise InputError(f"{error}; remove it to go on with the run") from error

    def read_curves(self) -> dict[str, Curve]:
        """Every metric over the steps of training; nothing where nothing was logged.

        Raises:
            InputError: a line of metrics.csv is none.
        """
        return read_curves(self.metrics) if self.metrics.is_file() else {}


def numbered(wanted: Path) -> Iterator[Path]:
    """The folder of that name, then with -2, -3 … behind it."""
    yield wanted
    for number in itertools.count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")


def as_yaml(values: Mapping[str, Any]) -> str:
    """What config.yaml holds of a run with these redacted values."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(values)))
