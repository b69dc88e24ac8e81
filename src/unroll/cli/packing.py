"""The command `unroll packing`."""

from pathlib import Path

import click

from unroll.cli.options import OVERWRITE_OPTION, PICTURE_OPTION
from unroll.cli.output import output, show


@click.command()
@click.argument("lengths", nargs=-1, type=int)
@PICTURE_OPTION
@OVERWRITE_OPTION
def packing(lengths: tuple[int, ...], picture_file: Path | None, overwrite: bool) -> None:
    """Show how sequences of these LENGTHS, such as 5 3 7 2, are padded and packed."""
    picture = output("--output", picture_file, overwrite=overwrite)
    from unroll.inspect.packing import packing as lay_out

    laid_out = lay_out(lengths)
    show(laid_out.tables())
    if picture is not None:
        picture.save(laid_out.figure())
