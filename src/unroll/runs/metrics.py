"""metrics.csv: the logged metrics of a run, a row for each time. It can be cut back to an earlier row."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from unroll.errors import InputError
from unroll.runs import files

MOST_BYTES = 2**30
"""A run would have logged millions of rows."""


@dataclass(kw_only=True, slots=True)
class Curve:
    """A metric over the steps of training; an epoch is None if it was not logged."""

    steps: list[int] = field(default_factory=list)
    epochs: list[int | None] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class MetricsTable:
    """A table of which a kill can damage at most the last row.

    Columns are in alphabetical order. (Lightning's CSVLogger deletes the file of a resumed run, and rewrites
    the whole file in place for a new column.)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.columns: list[str] = []

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row, and a column for each new name in it."""
        if row.keys() <= set(self.columns):
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.columns).writerow(row)
        else:
            rows = self.read()
            self.columns = sorted({*self.columns, *row})
            self._write([*rows, row])
        self.rows += 1

    def read(self) -> list[dict[str, str]]:
        """The rows, all values as text."""
        if not self.rows:
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(islice(csv.DictReader(file), self.rows))

    def place(self) -> dict[str, Any]:
        """The present end of the table, for `take_back`. The table is on the disk when this returns."""
        if self.rows:
            files.sync(self.path)
        return {"rows": self.rows, "columns": list(self.columns)}

    def take_back(self, place: Mapping[str, Any]) -> None:
        """Remove the rows after a place.

        Raises:
            InputError: the file is missing.
        """
        if place["rows"] and not self.path.is_file():
            raise InputError(f"{self.path}: no such file, but the run has written it; put it back to resume")
        self.rows, self.columns = place["rows"], list(place["columns"])
        if self.rows:
            self._write(self.read())
        else:
            self.path.unlink(missing_ok=True)

    def _write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        files.write(self.path, text.getvalue())


def read_curves(path: Path) -> dict[str, Curve]:
    """The curve of every metric in a metrics.csv.

    Raises:
        InputError: the file is too large, cannot be read, or one of its lines does not hold metrics.
    """
    curves: dict[str, Curve] = {}
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path}: is larger than {MOST_BYTES:,} bytes, and is not read; make it shorter")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            for row in rows:
                try:
                    _add(curves, row)
                except (KeyError, ValueError, TypeError) as error:
                    raise InputError(f"{path}:{rows.line_num}: is not a line of metrics ({error})") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    return curves


def _add(curves: dict[str, Curve], row: dict[str | Any, str | Any]) -> None:
    if None in row.values():
        raise ValueError("it has too few cells")
    for name, value in row.items():
        if value and isinstance(name, str) and name not in ("step", "epoch"):
            step, epoch, number = int(row["step"]), row.get("epoch"), float(value)
            curve = curves.setdefault(name, Curve())
            curve.steps.append(step)
            curve.epochs.append(int(epoch) if epoch else None)
            curve.values.append(number)
