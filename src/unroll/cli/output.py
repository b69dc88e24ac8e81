"""What commands share: tables for the terminal, and files that are written, or refused in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unroll.errors import InputError, reason

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from rich.table import Table

PICTURES = (".png", ".svg", ".pdf")


def require_target(option: str, path: Path | None, suffixes: tuple[str, ...] = PICTURES) -> None:
    """Raise an `InputError`, before any work is done, where a file of an option could not be written."""
    if path is None:
        return
    if path.suffix not in suffixes:
        known = ", ".join(suffixes[:-1]) + f" or {suffixes[-1]}" if len(suffixes) > 1 else suffixes[0]
        raise InputError(f"{option} {path}: unknown suffix '{path.suffix}'; name it {known}")
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: no such folder; make it first")


@contextmanager
def writing(option: str, path: Path) -> Iterator[None]:
    """Around what writes the file of an option: say so, or raise an `InputError` that says why not."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written ({reason(error)})") from error
    print(f"wrote {path}")


def save(figure: "Figure", path: Path, option: str = "--output") -> None:
    """Write a picture, in the format that its suffix says, and say so."""
    with writing(option, path):
        figure.savefig(path, dpi=120)


def show(tables: "list[Table]") -> None:
    """Print tables with a blank line between."""
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
        console.print()


def write_csv(frame: "DataFrame", path: Path | None) -> None:
    """Write the numbers of the option --csv, if it is given."""
    if path is not None:
        with writing("--csv", path):
            frame.to_csv(path, index=False)
