"""The table of a sweep's trials: on the terminal, and as trials.csv."""

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from unroll.runs.folder import RunFolder
from unroll.sweep.search.objectives import best_first
from unroll.sweep.search.space import Space, rounded
from unroll.sweep.trials import Record

TABLE_FILE = "trials.csv"

DIRECTION_ARROWS = {"minimize": "↓", "maximize": "↑"}

FILE_WIDTH = 400
"""The width of a table that goes to a file or a pipe, where no line needs to be broken."""


def print_table(records: Sequence[Record], space: Space) -> None:
    """Print a row for each trial, best first."""
    ordered = best_first(records)
    keys = _varied_keys(ordered)
    measures = {name: record.directions[name] for record in ordered for name in record.values}
    headings = [f"{name} {DIRECTION_ARROWS[direction]}" for name, direction in measures.items()]
    table = Table("trial", *(space.short.get(key, key) for key in keys), *headings, "s", "state")
    for record in ordered:
        table.add_row(
            f"{record.number:04d}",
            *(rounded(record.varied.get(key, "")) for key in keys),
            *(f"{record.values[name]:.4g}" if name in record.values else "" for name in measures),
            "" if record.seconds is None else f"{record.seconds:.0f}",
            record.state.value,
        )
    for column in table.columns:
        column.overflow = "fold"  # a narrow terminal breaks names, rather than end them in …
    Console(width=None if sys.stdout.isatty() else FILE_WIDTH).print(table)


def write_table(records: Sequence[Record], folder: Path) -> None:
    """Write trials.csv into the sweep's folder: a row for each trial, best first, with all that is known."""
    ordered = best_first(records)
    rows = [_row(record, folder / f"{record.number:04d}") for record in ordered]
    keys = _varied_keys(ordered)
    columns = list(dict.fromkeys(["number", "state", *keys, *(key for row in rows for key in row)]))
    with (folder / TABLE_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _varied_keys(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(key for record in records for key in record.varied))


def _row(record: Record, folder: Path) -> Mapping[str, Any]:
    results = RunFolder(folder).read_results() or {}
    measured = {key: value for key, value in results.items() if isinstance(value, int | float)}
    return {
        "number": f"{record.number:04d}",
        "state": record.state.value,
        **record.varied,
        **record.values,
        **results.get("valid", {}),
        **results.get("test", {}),
        **{key: value for key, value in measured.items() if key not in record.varied},
        "seconds": record.seconds,
        "exit_code": record.exit_code,
        "reason": record.reason,
        "folder": folder,
    }
