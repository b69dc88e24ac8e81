"""The command `unroll scoreboard`."""

from pathlib import Path

import click

from unroll.cli.options import PICTURE_OPTION
from unroll.cli.output import require_target, save


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--markdown", is_flag=True, help="Print tables for a document.")
@click.option("--costs", is_flag=True, help="Also print what each architecture costs at each task.")
@PICTURE_OPTION
def scoreboard(folders: tuple[Path, ...], markdown: bool, costs: bool, output: Path | None) -> None:
    """Print what architectures have reached at tasks, beside what papers have published.

    FOLDERS are sweeps' folders, runs' folders, or folders that hold runs; outputs/ by default. It reads the
    runs that were trained with architecture=…, as sweep=formal and its like do, and trains nothing.
    """
    require_target("--output", output)
    from unroll.report.scoreboard.show import read_board, show_board

    board = read_board(list(folders) or [Path("outputs")])
    show_board(board, markdown=markdown, costs=costs)
    if output is not None:
        from unroll.report.scoreboard.picture import heat_map

        save(heat_map(board), output)
