"""metrics.csv: the logged metrics of a run, a row for each time. It can be cut back to an earlier row."""

import csv
import hashlib
import io
import math
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
        place: dict[str, Any] = {"rows": self.rows, "columns": list(self.columns)}
        if self.rows:
            files.sync(self.path)
            place["sha256"] = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return place

    def take_back(self, place: Mapping[str, Any]) -> None:
        """Remove the rows after a place.

        Raises:
            InputError: the file is missing, or its rows are not those that the run has written.
        """
        if place["rows"] and not self.path.is_file():
            raise InputError(f"{self.path}: no such file, but the run has written it; put it back to resume")
        self.rows, self.columns = place["rows"], list(place["columns"])
        if not self.rows:
            self.path.unlink(missing_ok=True)
            return
        try:
            text = self._text(self.read())
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{self.path}: cannot be read ({error}); put back what it was") from error
        written = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if place.get("sha256", written) != written:
            raise InputError(
                f"{self.path}: was changed since the run has written it; put back what it was to resume"
            )
        files.write(self.path, text)

    def _write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        files.write(self.path, self._text(rows))

    def _text(self, rows: Iterable[Mapping[str, Any]]) -> str:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


def defined(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Metrics by name; one that is not defined, or is no finite number, is None, since JSON has no NaN."""
    return {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}


def shown(value: float | None) -> str:
    """A metric as text: four places after the point, or as many digits if it is very small or large."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e9 else f"{value:.4g}"


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
