"""Prints the scoreboard."""

import sys
from pathlib import Path

from rich.console import Console

from unroll.errors import InputError
from unroll.report.runs import read_runs
from unroll.report.scoreboard import tables
from unroll.report.scoreboard.board import Board
from unroll.sweep.search.space import Space

FILE_WIDTH = 400
"""The width of a table that goes to a file or a pipe, where no line needs to be broken."""


def read_board(folders: list[Path]) -> Board:
    """The board of the runs in these folders.

    Raises:
        InputError: there are no runs, or none of them was trained with `architecture=…`.
    """
    board = Board.of(read_runs(folders))
    if not board.cells:
        raise InputError(
            f"{', '.join(map(str, folders))}: no run was trained with architecture=…; "
            "run python train.py sweep=formal, or another sweep of architectures, first"
        )
    return board


def after_sweep(folder: Path, space: Space) -> None:
    """Print the board of a sweep over architectures, once its trials have ended; nothing of another sweep."""
    if "architecture" not in space.axes:
        return
    board = Board.of(read_runs([folder]))
    if any(cell.runs for cell in board.cells.values()):
        print()
        show_board(board)
        print(f"next   unroll scoreboard {folder} --output scoreboard.png\n       unroll report {folder}")


def show_board(board: Board, *, markdown: bool = False, costs: bool = False) -> None:
    """Print each table, which architecture is best at each task, and what stands below the table.

    `costs` adds a table of costs for each task; a person's own data always have one.
    """
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH)
    for title, tasks in board.tables().items():
        shown = [tables.results(board, title, tasks)]
        if costs or tables.is_own(title):
            shown += [tables.costs(board, task) for task in tasks]
        lines = [*tables.below(board, title, tasks), *tables.notes(board, tasks), tables.legend(title)]
        if markdown:
            print(f"### {title}\n")
            print("\n\n".join(table.markdown() for table in shown) + "\n")
            print("\n".join(f"- {line}" for line in lines) + "\n")
        else:
            for table in shown:
                console.print(table.rich())
            for line in lines:
                console.print(line, soft_wrap=True, markup=False, highlight=False)
            console.print()
