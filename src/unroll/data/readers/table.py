"""A table that knows the line of each row in its file, and checks the columns that are taken from it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from unroll.errors import InputError

MAX_COLUMNS = 10_000
MAX_LISTED_COLUMNS = 50
"""How many columns a message lists."""

MAX_VALUE = 1e30
"""Sums and products of larger numbers come near to the largest one of float32."""

MAX_EXACT = 2**53
"""Some larger whole numbers equal their neighbours in float64."""

MISSING = ("", "na", "nan", "n/a", "nat", "none", "null")
"""Cells that mean a missing number, in small or capital letters. Text is missing only in an empty cell."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of text or numbers, and for each row the line of the file on which it begins (from 1).

    A Parquet file has no lines; its rows are counted from 1. `faults` say why columns cannot be read, `torn`
    what is wrong with rows that have too few or too many cells, if such rows are kept.
    """

    path: Path
    frame: pd.DataFrame
    lines: np.ndarray
    faults: Mapping[str, str] = field(default_factory=dict)
    torn: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """The columns, in the file's order."""
        return list(self.frame.columns)

    def place(self, row: int) -> str:
        """The place of a row, with which an error begins: file and line."""
        word = "row " if self.path.suffix.lower() == ".parquet" else ""
        return f"{self.path}:{word}{self.lines[row]}"

    def take(self, rows: np.ndarray) -> "Table":
        """A table of some of the rows that are not torn."""
        return Table(self.path, self.frame.iloc[rows].reset_index(drop=True), self.lines[rows], self.faults)

    def require(self, key: str, names: Sequence[str]) -> None:
        """Raise an `InputError` unless the table has the columns that a key of the config names."""
        for name in names:
            if name not in self.frame:
                more = " …" if len(self.names) > MAX_LISTED_COLUMNS else ""
                raise InputError(
                    f"{self.path}: no column '{name}', which data.{key} names; "
                    f"there are: {', '.join(self.names[:MAX_LISTED_COLUMNS])}{more}"
                )
            self.column(name)

    def column(self, name: str) -> pd.Series:
        """A column as it is in the file.

        Raises:
            InputError: it cannot be read.
        """
        if name in self.faults:
            raise InputError(
                f"{self.path}: column '{name}' {self.faults[name]}; leave it out, or write it as numbers "
                "or text"
            )
        return self.frame[name]

    def cells(self, name: str) -> pd.Series:
        """A column as text, without blanks around it; an empty cell is an empty text."""
        return self.column(name).astype("str").fillna("").str.strip()

    def text(self, name: str) -> list[str]:
        """A column as text, without blanks around it.

        Raises:
            InputError: an empty cell, by file and line.
        """
        cells = self.cells(name)
        empty = np.flatnonzero(cells == "")
        if len(empty):
            raise InputError(f"{self.place(int(empty[0]))}: column '{name}' is empty; write a value there")
        values: list[str] = cells.tolist()
        return values

    def numbers(self, name: str, *, missing: str | None = None) -> np.ndarray:
        """A column as numbers, float64 (rows,).

        Raises:
            InputError: a cell that is not a number, is infinite, too large, or a whole number that float64
                does not hold, by file and line; or a missing value, with `missing` as the fix. Without a fix
                it becomes NaN.
        """
        column = self.column(name)
        if pd.api.types.is_numeric_dtype(column):
            values = column.to_numpy(np.float64, na_value=np.nan)
            absent = np.isnan(values)
        else:
            cells = self.cells(name)
            values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
            absent = cells.str.lower().isin(MISSING).to_numpy()
        too_large = f"is infinite or beyond ±{MAX_VALUE:.0e}; write a finite number, in a larger unit"
        inexact = "equals its neighbours in float64; write differences, or numbers below 2^53"
        for wrong, fault in (
            (np.isnan(values) & ~absent, "is not a number; write numbers as 1234.5 or 1.2e3"),
            (np.abs(values) > MAX_VALUE, too_large),
            (_changed(column, values), inexact),
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


def _changed(column: pd.Series, values: np.ndarray) -> np.ndarray:
    """Which whole numbers of a column, as they are written, are others in float64."""
    changed = np.zeros(len(values), dtype=bool)
    for row in np.flatnonzero((np.abs(values) > MAX_EXACT) & np.isfinite(values)):
        written = str(column.iloc[row]).strip()
        changed[row] = re.fullmatch(r"[-+]?[0-9]+", written) is not None and int(written) != int(values[row])
    return changed


def require_names(names: list[str], place: str) -> None:
    """Raise an `InputError` unless each column has a name of its own, and there are not too many."""
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{place}: {len(names):,} columns; give at most {MAX_COLUMNS:,}")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise InputError(
                f"{place}: column {number} has no name; name it, or leave it out (pandas: index=False)"
            )
        if name in seen:
            raise InputError(
                f"{place}: two columns are called '{name}'; the first line gives each a name of its own"
            )
        seen.add(name)
