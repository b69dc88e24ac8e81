"""What a sweep says on the terminal, and the table that is left of it."""

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from unroll.runs.folder import RunFolder
from unroll.sweep.objectives import best_first
from unroll.sweep.space import Space, rounded
from unroll.sweep.trials import Record, State

ARROWS = {"minimize": "↓", "maximize": "↑"}

WIDTH_OF_FILES = 400
"""Of what is written to a file or a pipe the lines are not broken."""


class Terminal:
    """Says a line for each trial that ends, and shows them all at the end."""

    def __init__(self, space: Space, folder: Path, size: int) -> None:
        self.table = folder / "trials.csv"
        self._space = space
        self._folder = folder
        self._size = size
        self._done = 0
        self._said: set[str] = set()

    def greet(self, done: int) -> None:
        """Say what begins, of which so many trials are done already."""
        self._done = done
        self.say(f"sweep  {self._folder}: {self._size} trials" + (f", {done} of them done" if done else ""))

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)

    def say_once(self, line: str) -> None:
        """Print a line unless it has been."""
        if line not in self._said:
            self.say(line)
        self._said.add(line)

    def tell(self, record: Record) -> None:
        """Say how a trial ended."""
        self._done += 1
        place = f"{self._done}/{self._size}".rjust(2 * len(str(self._size)) + 1)
        words = [f"{record.number:04d}", record.state.value.ljust(9), self._space.label(record.varied)]
        if record.state is State.finished:
            words += [f"{name} {value:.4g}" for name, value in record.values.items()]
        elif record.state.is_failure:
            words.append(f"{record.reason} ({self._trial(record).output})")
        if record.seconds is not None:
            words.append(f"{record.seconds:.0f} s")
        self.say("  ".join([place, *words]))

    def show(self, records: Sequence[Record]) -> None:
        """Print the table of all trials, best first, and write it as trials.csv."""
        ordered = best_first(records)
        keys = list(dict.fromkeys(key for record in ordered for key in record.varied))
        measures = {name: record.directions[name] for record in ordered for name in record.values}
        heads = [f"{name} {ARROWS[direction]}" for name, direction in measures.items()]
        table = Table("trial", *(self._space.short.get(key, key) for key in keys), *heads, "s", "state")
        for record in ordered:
            table.add_row(
                f"{record.number:04d}",
                *(rounded(record.varied.get(key, "")) for key in keys),
                *(f"{record.values[name]:.4g}" if name in record.values else "" for name in measures),
                "" if record.seconds is None else f"{record.seconds:.0f}",
                record.state.value,
            )
        for column in table.columns:
            column.overflow = "fold"  # in a narrow terminal: no name ends in …
        Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES).print(table)
        self._write(ordered, keys)

    def _trial(self, record: Record) -> RunFolder:
        return RunFolder(self._folder / f"{record.number:04d}")

    def _write(self, ordered: Sequence[Record], keys: list[str]) -> None:
        rows = [_row(record, self._trial(record)) for record in ordered]
        columns = list(dict.fromkeys(["number", "state", *keys, *(key for row in rows for key in row)]))
        with self.table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)


def _row(record: Record, folder: RunFolder) -> Mapping[str, Any]:
    """All that is known of a trial, in one row."""
    results = folder.read_results() or {}
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
        "folder": folder.path,
    }
