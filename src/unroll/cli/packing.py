"""The command `unroll packing`."""

from pathlib import Path

import click

from unroll.cli.output import require_target, save, show


@click.command()
@click.argument("lengths", nargs=-1, type=int)
@click.option("--output", type=click.Path(path_type=Path), help="Write the picture here: .png, .svg or .pdf.")
def packing(lengths: tuple[int, ...], output: Path | None) -> None:
    """Show how sequences of these LENGTHS, such as 5 3 7 2, are padded and packed."""
    require_target("--output", output)
    from unroll.inspect.packing import packing as lay_out

    laid_out = lay_out(lengths)
    show(laid_out.tables())
    if output is not None:
        save(laid_out.figure(), output)
