"""metrics.csv: what a run has logged, a row each time. It can be taken back to an earlier row."""

import csv
import io
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from torch import Tensor

from unroll.errors import InputError
from unroll.runs import files as safe_files


class MetricsFile(Logger):
    """A Lightning logger whose file is whole whenever the process is killed, but perhaps for its last row.

    Columns stand in alphabetical order. (Lightning's CSVLogger deletes the file of a run that goes on, and
    writes all of it anew in place for a new column.)
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows = 0
        self.columns: list[str] = []

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """They stand in config.yaml."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        row = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics.items()}
        row["step"] = step
        if row.keys() <= set(self.columns):
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.columns).writerow(row)
        else:
            rows = self.read()
            self.columns = sorted({*self.columns, *row})
            self._write([*rows, row])
        self.rows += 1

    def read(self) -> list[dict[str, Any]]:
        """The rows, all values as text."""
        if not self.rows:
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(islice(csv.DictReader(file), self.rows))

    def place(self) -> dict[str, Any]:
        """Where it is now, for `take_back`; by then all of it is on the disk."""
        if self.rows:
            safe_files.sync(self.path)
        return {"rows": self.rows, "columns": list(self.columns)}

    def take_back(self, place: Mapping[str, Any]) -> None:
        """Forget what was logged after a place.

        Raises:
            InputError: what was logged before it is not there.
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
        safe_files.write(self.path, text.getvalue())
