"""A table that knows which line of its file each row stands on, and checks what is taken from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unroll.errors import InputError

SHOWN = 50
"""So many columns a message lists."""

LARGEST = float(np.finfo(np.float32).max)
MISSING = ("", "na", "nan", "n/a", "nat", "none", "null")
"""What stands, in small or capital letters, for a missing number. In a column of text, only nothing does."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of text or numbers, each row with the line of the file that it begins on (from 1).

    Rows of a Parquet file have no lines; they are counted from 1.
    """

    path: Path
    frame: pd.DataFrame
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """The columns, in the file's order."""
        return list(self.frame.columns)

    def place(self, row: int) -> str:
        """Where a row stands, as an error begins."""
        word = "row " if self.path.suffix.lower() == ".parquet" else ""
        return f"{self.path}:{word}{self.lines[row]}"

    def require(self, key: str, names: Sequence[str]) -> None:
        """Raise an `InputError` unless it has the columns that a config's key names."""
        for name in names:
            if name not in self.frame:
                more = " …" if len(self.names) > SHOWN else ""
                raise InputError(
                    f"{self.path}: no column '{name}', which data.{key} names; "
                    f"there are: {', '.join(self.names[:SHOWN])}{more}"
                )

    def text(self, name: str) -> list[str]:
        """A column as text, without blanks around it.

        Raises:
            InputError: an empty cell, by file and line.
        """
        cells = self._cells(name)
        empty = np.flatnonzero(cells == "")
        if len(empty):
            raise InputError(f"{self.place(int(empty[0]))}: column '{name}' is empty; write a value there")
        values: list[str] = cells.tolist()
        return values

    def numbers(self, name: str, *, missing: str | None = None) -> np.ndarray:
        """A column as numbers, float64 (rows,).

        Raises:
            InputError: a cell that is no number, infinite or out of float32's range, by file and line; or one
                without a value, where `missing` says how to mend it. With None it becomes NaN.
        """
        column = self.frame[name]
        if pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy(np.float64, na_value=np.nan)
            absent = np.isnan(values)
        else:
            cells = self._cells(name)
            values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
            absent = cells.str.lower().isin(MISSING).to_numpy()
        for wrong, fault in (
            (np.isnan(values) & ~absent, "is no number; write numbers as 1234.5 or 1.2e3"),
            (np.abs(values) > LARGEST, f"is infinite or beyond ±{LARGEST:.1e}; write a finite number"),
            (absent & (missing is not None), f"is a missing value; {missing}"),
        ):
            if wrong.any():
                row = int(wrong.argmax())
                raise InputError(f"{self.place(row)}: '{column.iloc[row]}' in column '{name}' {fault}")
        return values

    def labels(self, name: str) -> np.ndarray:
        """A column of 0 and 1, float64 (rows,).

        Raises:
            InputError: another value, by file and line.
        """
        values = self.numbers(name, missing="write 0 or 1")
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            row = int(wrong.argmax())
            value = self.frame[name].iloc[row]
            raise InputError(f"{self.place(row)}: '{value}' in column '{name}' is neither 0 nor 1; write one")
        return values

    def _cells(self, name: str) -> pd.Series:
        return self.frame[name].astype("str").fillna("").str.strip()
