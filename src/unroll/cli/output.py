"""Writes the output of commands: tables to the terminal, pictures and numbers to files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unroll.errors import InputError, reason

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from rich.table import Table

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")


def require_target(option: str, path: Path | None, suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> None:
    """Raise an `InputError` if the file of an option cannot be written. Call it before any work."""
    if path is None:
        return
    if path.suffix not in suffixes:
        known = ", ".join(suffixes[:-1]) + f" or {suffixes[-1]}" if len(suffixes) > 1 else suffixes[0]
        raise InputError(f"{option} {path}: unknown suffix '{path.suffix}'; name it {known}")
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: no such folder; make it first")


@contextmanager
def writing(option: str, path: Path) -> Iterator[None]:
    """Wraps the writing of an option's file: print that it is written, or raise an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written ({reason(error)})") from error
    print(f"wrote {path}")


def save(figure: "Figure", path: Path, option: str = "--output") -> None:
    """Write a picture in the format of its suffix, and print its path."""
    with writing(option, path):
        figure.savefig(path, dpi=120)


def show(tables: "list[Table]") -> None:
    """Print tables, each followed by a blank line."""
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
        console.print()


def write_csv(frame: "DataFrame", path: Path | None) -> None:
    """Write the file of the option --csv, if the option is given."""
    if path is not None:
        with writing("--csv", path):
            frame.to_csv(path, index=False)
