"""`unroll packing` and the other commands that look inside."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unroll.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


@click.command()
@click.argument("lengths", nargs=-1, type=int)
@click.option("--output", type=click.Path(path_type=Path), help="Write the picture here: .png, .svg or .pdf.")
def packing(lengths: tuple[int, ...], output: Path | None) -> None:
    """Show how sequences of these LENGTHS are padded, and packed, as 5 3 7 2."""
    from unroll.inspect.packing import packing as lay_out

    laid_out = lay_out(lengths)
    show(laid_out.tables())
    if output is not None:
        save(laid_out.figure(), output)


def show(tables: "list[Table]") -> None:
    """Print tables with a blank line between."""
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
        console.print()


def save(figure: "Figure", path: Path) -> None:
    """Write a picture, in the format that its suffix says, and say so."""
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"--output {path}: unknown suffix '{path.suffix}'; name it .png, .svg or .pdf")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise InputError(f"--output {path}: cannot be written ({error.strerror})") from error
    print(f"wrote {path}")
