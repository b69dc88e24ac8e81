"""A run on disk: the names of its files, and how the folder is made, locked, written and read."""

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
from unroll.paths import kind, quoted, read
from unroll.redact import redact
from unroll.runs import lock
from unroll.runs.files import PREVIOUS, TEMPORARY, clean, write
from unroll.runs.metrics import Curve, read_curves

DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)

MOST_TABLE_BYTES = 64 * 2**20
MOST_PICTURE_BYTES = 32 * 2**20
"""More was not written by a run."""

PNG_BEGINNING = b"\x89PNG\r\n\x1a\n"


class RunFolder:
    """The folder of a run. It knows the name of every file, and does not need torch.

    `writes` is True in the first process of a run. In the other processes every write does nothing, so that
    callers need not ask which process they are in.

    A folder may come from somebody else. Of its files only those are read that are regular files in it, not
    links out of it: `has` sees to that. A run that goes on in its folder writes there only if that holds for
    all that is in it (`require_own_files`).

    Attributes:
        config, command, environment: what was run, and on which machine.
        log: the lines that the run printed; the lock of the folder is a lock on this file.
        metrics, gradients: the measurements of training, a row for each.
        results: the results. It is written last: a run that has it has finished.
        vocabulary: the tokens.
        examples, confusion, accuracy_by_length, r2_by_output, error_by_step, error_by_series: tables about
            the test data.
        last, best: the checkpoints.
        start: the SLURM job, and its start, that ran in the folder last.
        agent: the run of torchrun, and its agent, that ran in the folder last.
        trial, output: the state of a sweep's trial, and everything that it printed.
        weights: the weights of an export, which is a run of its own.
    """

    MARK_FILES = ("trial.json", "results.json", "config.yaml")
    PICTURES = (
        *("curves", "attention", "forecasts", "hidden_states", "confusion", "accuracy_by_length"),
        *("gradients", "error_by_step"),
    )
    LAST_CHECKPOINT = "last.ckpt"
    WEIGHTS_FILE = "model.safetensors"

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
        self.r2_by_output = path / "r2_by_output.csv"
        self.error_by_step = path / "error_by_step.csv"
        self.error_by_series = path / "error_by_series.csv"
        self.checkpoints = path / "checkpoints"
        self.last = self.checkpoints / self.LAST_CHECKPOINT
        self.best = self.checkpoints / "best.ckpt"
        self.start = path / "slurm.txt"
        self.agent = path / "torchrun.txt"
        self.trial = path / "trial.json"
        self.output = path / "output.txt"
        self.weights = path / self.WEIGHTS_FILE

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def of(cls, path: Path) -> "RunFolder":
        """The folder of the run that `path` names: the folder itself, or one of its checkpoint files."""
        return cls(path.absolute().parent.parent if path.is_file() else path)

    @classmethod
    def make(cls, wanted: Path) -> "RunFolder":
        """Make a new folder of that name. If the name is taken, -2, -3 … is added.

        Raises:
            InputError: the folder cannot be made.
        """
        for path in numbered(wanted):
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except (OSError, ValueError) as error:
                raise InputError(
                    f"run_dir={wanted}: cannot be made ({reason(error)}); name another folder"
                ) from error
            return cls(path)
        raise AssertionError  # there is always another number

    @property
    def has_started(self) -> bool:
        """Whether a run has started here: its config.yaml is there."""
        return self.has(self.config)

    def holds_a_run(self) -> bool:
        """Whether the folder belongs to a run, or to a trial that has not started yet."""
        return any((self.path / mark).is_file() for mark in self.MARK_FILES)

    def has(self, file: Path) -> bool:
        """Whether one of the files is there, so that it may be opened.

        Raises:
            InputError: it is no regular file, or a link out of the folder.
        """
        if not os.path.lexists(file):
            return False
        self._require_own(file, is_folder=False)
        return True

    def require_own_files(self) -> None:
        """Raise an `InputError` if a file in the folder is no regular file, or a link out of it.

        A run that goes on here would write wherever the link leads. Folders of other names, such as exports,
        do not matter.
        """
        if os.path.lexists(self.checkpoints):
            self._require_own(self.checkpoints, is_folder=True)
        named = set(vars(self).values())
        for folder in filter(Path.is_dir, (self.path, self.checkpoints)):
            for file in folder.iterdir():
                is_written = file in named or file.suffix in (TEMPORARY, PREVIOUS) or not file.is_dir()
                if is_written and file != self.checkpoints:
                    self._require_own(file, is_folder=False)

    def _require_own(self, file: Path, *, is_folder: bool) -> None:
        try:
            real = file.resolve(strict=True)
            if not real.is_relative_to(self.path.resolve()):
                raise InputError(
                    f"{file}: is a link out of the run's folder; put the file itself in its place"
                )
            if not (real.is_dir() if is_folder else real.is_file()):
                wanted = "folder" if is_folder else "file"
                raise InputError(f"{file}: is {kind(real)}, no {wanted} that a run has written; remove it")
        except (OSError, RuntimeError) as error:
            raise InputError(f"{file}: cannot be looked up ({reason(error)}); remove it") from error

    def owns(self, path: Path) -> bool:
        """Whether a path, also one with nothing behind it, is that of a file of this run.

        An export that was made here is none: it may be made anew.
        """
        files = {file for key, file in vars(self).items() if key not in ("path", "writes", "weights")}
        files |= {self.picture(name) for name in self.PICTURES}
        return self.holds_a_run() and (path in files or path.parent == self.checkpoints)

    def picture(self, name: str) -> Path:
        """The path of a picture, one of `PICTURES`."""
        assert name in self.PICTURES, name
        return self.path / f"{name}.png"

    def pictures(self) -> list[Path]:
        """The existing pictures, sorted by name."""
        return sorted(self.path.glob("*.png"))

    def argument(self) -> str:
        """The folder as an argument in a command that a person may copy into a shell."""
        return quoted(self.path)

    def require_free(self) -> None:
        """Raise an `InputError` if a run is using the folder, or could write to another one from here.

        Call it before anything that takes time.
        """
        if self.writes:
            self.require_own_files()
        if self.writes and self.log.exists() and os.access(self.log, os.W_OK):
            with self.log.open("a") as file:
                lock.take(file.fileno(), self.path)

    def lock(self, log: int) -> None:
        """Lock the folder for as long as this process keeps its log open. `log` is the log's descriptor.

        Raises:
            InputError: another process holds the lock.
        """
        if self.writes:
            lock.take(log, self.path)

    @contextmanager
    def disk_errors(self) -> Iterator[None]:
        """Turn disk errors into one line.

        Raises:
            MissingEnvironmentError: the disk is full, read-only or broken.
        """
        try:
            yield
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            raise self.cannot_write(error) from error

    def cannot_write(self, error: OSError) -> MissingEnvironmentError:
        """The error to raise for an error of the disk."""
        return MissingEnvironmentError(
            f"{error.filename or self}: cannot be written ({reason(error)}); earlier checkpoints are intact: "
            f"fix the disk, then continue with `unroll resume {self.argument()}`"
        )

    def clean(self) -> None:
        """Remove the half-written checkpoints of a killed process."""
        if self.writes:
            clean(self.checkpoints)

    def empty(self, *, besides: Path) -> None:
        """Remove everything in the folder, if it exists, except one file."""
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != besides:
                path.unlink()

    def write(self, file: Path, content: str) -> None:
        """Write a text to one of the files, completely or not at all."""
        if self.writes:
            write(file, content)

    def write_json(self, file: Path, values: Mapping[str, Any]) -> None:
        """Write plain values as JSON."""
        self.write(file, json.dumps(values, indent=2, ensure_ascii=False) + "\n")

    def write_csv(self, file: Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
        """Write a table as CSV."""
        if self.writes:
            with file.open("w", newline="", encoding="utf-8") as opened:
                csv.writer(opened).writerows([header, *rows])

    def write_record(self, values: dict[str, Any], environment: dict[str, Any]) -> None:
        """Write the command, the environment and the config (`values`, redacted). The config comes last."""
        self.write(self.command, redact(shlex.join(["python", *sys.argv])) + "\n")
        self.write_json(self.environment, environment)
        self.write(self.config, as_yaml(values))

    def read_config(self) -> dict[str, Any]:
        """The values of config.yaml. Nothing in it is looked up or executed.

        Raises:
            InputError: no run has started here, or the file cannot be read.
        """
        if not self.has_started:
            raise InputError(
                f"{self.config}: no such file: no run has started in this folder; give another folder"
            )
        return read_yaml(self.config)

    def read_environment(self) -> dict[str, Any]:
        """The environment at the start of the run."""
        return self.read_values(self.environment)

    def read_values(self, file: Path) -> dict[str, Any]:
        """The values in one of the JSON files.

        Raises:
            InputError: the file is not there, cannot be read, or does not hold values.
        """
        self.has(file)
        return read_json(file)

    def read_results(self) -> dict[str, Any] | None:
        """The results of the run; None if it has not finished.

        Raises:
            InputError: the file does not hold results.
        """
        if not self.has(self.results):
            return None
        try:
            results = self.read_values(self.results)
            if not isinstance(results.get("test"), dict):
                raise InputError(f"{self.results}: holds no results")
            return results
        except InputError as error:
            raise InputError(f"{error}; remove it to resume the run") from error

    def read_curves(self) -> dict[str, Curve]:
        """The curve of every metric over the steps of training; empty if nothing was logged.

        Raises:
            InputError: a line of metrics.csv is malformed, or the file is too large.
        """
        return read_curves(self.metrics) if self.has(self.metrics) else {}

    def read_csv(self, file: Path) -> list[list[str]]:
        """The rows of one of the tables; empty if there is none.

        Raises:
            InputError: it cannot be read.
        """
        if not self.has(file):
            return []
        try:
            return list(csv.reader(read(file, MOST_TABLE_BYTES).decode("utf-8").splitlines(True)))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{file}: cannot be read ({error})") from error

    def read_picture(self, picture: Path) -> bytes:
        """The content of one of the `pictures`.

        Raises:
            InputError: it is no PNG, no regular file, or a link out of the folder.
        """
        self.has(picture)
        content = read(picture, MOST_PICTURE_BYTES)
        if not content.startswith(PNG_BEGINNING):
            raise InputError(f"{picture}: is no PNG picture; remove it")
        return content


def numbered(wanted: Path) -> Iterator[Path]:
    """The path, then the path with -2, -3 … added."""
    yield wanted
    for number in itertools.count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")


def as_yaml(values: Mapping[str, Any]) -> str:
    """The text of config.yaml for a run with these redacted values."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(values)))
