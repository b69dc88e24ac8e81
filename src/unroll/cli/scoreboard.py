"""The command `unroll scoreboard`."""

from pathlib import Path

import click

from unroll.cli.options import OVERWRITE_OPTION, PATH, PICTURE_OPTION
from unroll.cli.output import output


@click.command()
@click.argument("folders", nargs=-1, type=PATH)
@click.option("--markdown", is_flag=True, help="Print tables for a document.")
@click.option("--costs", is_flag=True, help="Also print what each architecture costs at each task.")
@PICTURE_OPTION
@OVERWRITE_OPTION
def scoreboard(
    folders: tuple[Path, ...], markdown: bool, costs: bool, picture_file: Path | None, overwrite: bool
) -> None:
    """Print what architectures have reached at tasks, beside what papers have published.

    FOLDERS are sweeps' folders, runs' folders, or folders that hold runs; outputs/ by default. It reads the
    runs that were trained with architecture=…, as sweep=formal and its like do, and trains nothing.
    """
    picture = output("--output", picture_file, overwrite=overwrite)
    from unroll.report.scoreboard.show import read_board, show_board

    board = read_board(list(folders) or [Path("outputs")])
    show_board(board, markdown=markdown, costs=costs)
    if picture is not None:
        from unroll.report.scoreboard.picture import heat_map

        picture.save(heat_map(board))
