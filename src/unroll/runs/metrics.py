"""metrics.csv: what a run has logged, a row each time. It can be taken back to an earlier row."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from unroll.errors import InputError
from unroll.runs import files


@dataclass(kw_only=True, slots=True)
class Curve:
    """A metric over the steps of training; an epoch is None where it was not logged."""

    steps: list[int] = field(default_factory=list)
    epochs: list[int | None] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class MetricsTable:
    """A table that is whole whenever the process is killed, but perhaps for its last row.

    Columns stand in alphabetical order. (Lightning's CSVLogger deletes the file of a run that goes on, and
    writes all of it anew in place for a new column.)
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
        """Where the table ends now, for `take_back`; by then all of it is on the disk."""
        if self.rows:
            files.sync(self.path)
        return {"rows": self.rows, "columns": list(self.columns)}

    def take_back(self, place: Mapping[str, Any]) -> None:
        """Forget the rows after a place.

        Raises:
            InputError: the rows before it are not there.
        """
        if place["rows"] and not self.path.is_file():
            raise InputError(f"{self.path}: no such file, and the run had written it; put it back to go on")
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
        InputError: the file cannot be read, or a line of it is none of metrics.
    """
    curves: dict[str, Curve] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            for row in rows:
                try:
                    _add(curves, row)
                except (KeyError, ValueError, TypeError) as error:
                    raise InputError(f"{path}:{rows.line_num}: is no line of metrics ({error})") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    return curves


def _add(curves: dict[str, Curve], row: dict[str | Any, str | Any]) -> None:
    for name, value in row.items():
        if value and isinstance(name, str) and name not in ("step", "epoch"):
            step, epoch, number = int(row["step"]), row.get("epoch"), float(value)
            curve = curves.setdefault(name, Curve())
            curve.steps.append(step)
            curve.epochs.append(int(epoch) if epoch else None)
            curve.values.append(number)
