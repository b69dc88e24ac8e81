"""Writes the output of commands: tables to the terminal, pictures and numbers to files."""

import dataclasses
import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from unroll.errors import InputError, reason
from unroll.paths import given, kind
from unroll.runs.folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from rich.table import Table

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")

EXPORTED = (RunFolder.WEIGHTS_FILE, "config.json")
"""What is read of an export, if it is given as a run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A file that a command has been asked to write, and what it must not write over.

    Attributes:
        option: the option that names it, for messages.
        overwrite: whether it may replace a file that exists.
        inputs: what the command reads, which no output replaces.
        remade: the beginning of files that this command has written before, which it replaces unasked.
    """

    option: str
    path: Path
    overwrite: bool = False
    inputs: tuple[Path, ...] = ()
    remade: bytes | None = None

    def __str__(self) -> str:
        return f"{self.option} {self.path}"

    def require_free(self) -> None:
        """Raise an `InputError` if the file cannot be written, or would replace what it must not.

        Call it before anything that takes time.
        """
        path = given(self.path, str(self))
        if not path.parent.is_dir():
            raise InputError(f"{self}: no such folder; make it first")
        run = _run_of(path)
        if run is not None:
            raise InputError(f"{self}: is a file of the run {run}; give another name")
        if not path.exists():
            return
        if not (path.is_file() or stat.S_ISCHR(path.stat().st_mode) or path.is_fifo()):
            raise InputError(f"{self}: cannot be written (it is {kind(path)}); give a file")
        exported = [each / name for each in self.inputs for name in EXPORTED]
        if any(each.exists() and path.samefile(each) for each in (*self.inputs, *exported)):
            raise InputError(f"{self}: is what the command reads; give another name")
        if path.is_file() and not self.overwrite and not self._is_remade():
            raise InputError(f"{self}: exists; add --overwrite to replace it, or give another name")

    def beside(self, name: str) -> "Output":
        """The same with a name added: plot.png becomes plot-NAME.png."""
        return dataclasses.replace(self, path=self.path.with_stem(f"{self.path.stem}-{name}"))

    def write(self, content: str | bytes, *, silent: bool = False) -> None:
        """Write the file and print that.

        Raises:
            InputError: as `require_free`, or the disk is full, say.
        """
        self.require_free()
        try:
            with _open(self.path) as file:
                file.write(content.encode() if isinstance(content, str) else content)
        except OSError as error:
            raise InputError(f"{self}: cannot be written ({reason(error)})") from error
        if not silent:
            print(f"wrote {self.path}")

    def save(self, figure: "Figure") -> None:
        """Write a picture in the format of the path's suffix."""
        drawn = io.BytesIO()
        figure.savefig(drawn, dpi=120, format=self.path.suffix.removeprefix("."))
        self.write(drawn.getvalue())

    def _is_remade(self) -> bool:
        if self.remade is None:
            return False
        with self.path.open("rb") as file:
            return file.read(len(self.remade)) == self.remade


def output(
    option: str,
    path: Path | None,
    suffixes: tuple[str, ...] = PICTURE_SUFFIXES,
    *,
    overwrite: bool,
    inputs: tuple[Path | str, ...] = (),
    remade: bytes | None = None,
) -> Output | None:
    """The output that an option names, once it is known that it can be written; None without the option.

    Raises:
        InputError: another suffix, or as `Output.require_free`.
    """
    if path is None:
        return None
    if path.suffix not in suffixes:
        known = ", ".join(suffixes[:-1]) + f" or {suffixes[-1]}" if len(suffixes) > 1 else suffixes[0]
        raise InputError(f"{option} {path}: unknown suffix '{path.suffix}'; name it {known}")
    read = tuple(map(Path, inputs))
    found = Output(option=option, path=path, overwrite=overwrite, inputs=read, remade=remade)
    found.require_free()
    return found


def show(tables: "list[Table]") -> None:
    """Print tables, each followed by a blank line."""
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
        console.print()


def csv_text(frame: "DataFrame") -> str:
    """A table as CSV, without its index."""
    return frame.to_csv(index=False)


def _run_of(path: Path) -> RunFolder | None:
    """The run that a path is a file of, also by way of links."""
    real = path.resolve()
    for folder in (RunFolder(real.parent), RunFolder(real.parent.parent)):
        if folder.owns(real):
            return folder
    return None


def _open(path: Path) -> BinaryIO:
    """A file to write, from its beginning. A pipe that nobody reads is an error, not a wait without end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")
