"""Reads whole series: a row for each step, with what is missing filled or told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd

from unroll.data.files.filling import Filled, filled
from unroll.data.files.raw_columns import RawColumns, categorical, read_columns
from unroll.data.files.series_config import MissingValue, SeriesColumnsConfig
from unroll.data.files.spans import Span, after, made_by_clocks, require_rows, series_name
from unroll.data.readers.common_step import common_step, require_step
from unroll.data.readers.grouping import group_rows
from unroll.data.readers.steps import IRREGULAR, Step
from unroll.data.readers.table import Table
from unroll.data.readers.times import as_text
from unroll.errors import InputError

MOST_MADE_UP = 10
"""A series of more than so many times its rows is no series with gaps: one of its times is wrong."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A series, step by step.

    Attributes:
        name: its id.
        table: the table that it stands in.
        rows: the row of each step; of a step without one, the row before.
        values: the values of the config's columns (steps, columns), as precise as the file.
        names: of the columns that hold names, these; a value is the number of one.
        times: those of the steps, if the file has them.
        end: one after the last step that has a value to forecast; what is known of more steps may follow.
        coming: the times of the rows after that.
    """

    name: str
    table: Table
    rows: np.ndarray
    values: np.ndarray
    names: Mapping[str, list[str]]
    times: pd.Series | None
    end: int
    coming: pd.Series | None

    def place(self, step: int) -> str:
        """The place of a step's row."""
        return self.table.place(int(self.rows[step]))


class SeriesReader:
    """Reads the series of tables.

    Which columns hold `names`, and the `frequency` of steps, are found in the first table unless they are
    given, as a DataSpec gives them.

    A series ends with its last row that has a value to forecast. To train, further rows are left out. To
    predict, only the `window` before the end is read, and what is known of the `horizon` after it.
    """

    def __init__(
        self,
        config: SeriesColumnsConfig,
        *,
        names: frozenset[str] | None = None,
        frequency: str = "",
        window: int = 0,
        horizon: int = 0,
    ) -> None:
        self.config = config
        self.names = names
        self.frequency = frequency
        self.window = window
        self.horizon = horizon
        self.filled = Filled()
        self._left_out = Filled()
        self._irregular = ""
        self._clocks = ""
        inputs = config.inputs()
        self._known = np.array([name in config.columns("known") for name in inputs])
        self._static = np.array([name in config.columns("static") for name in inputs])
        self._past = ~(self._known | self._static)

    @property
    def step(self) -> Step | None:
        """The step of the times, if they have one."""
        return Step(self.frequency) if self.frequency not in ("", IRREGULAR) else None

    @property
    def notes(self) -> list[str]:
        """What was found that is not as usual, a line each."""
        notes = [f"warning: {self._irregular}"] if self._irregular else []
        if told := self.filled.told():
            notes.append(f"filled, by data.missing={self.config.missing.value}: {told}")
        notes += [f"warning: {self._clocks}"] if self._clocks else []
        if told := self._left_out.told():
            notes.append(f"left out: {told}")
        return notes

    def read(self, table: Table) -> list[Whole]:
        """The series of a table.

        Raises:
            InputError: what is wrong with the table, by file and line.
        """
        config = self.config
        for key in ("id", "time", "target", "features", "known", "static"):
            table.require(key, config.columns(key))
        groups, times = group_rows(table, config.id, config.time)
        if self.names is None:
            self.names = categorical(table, config)
        columns = read_columns(table, config, self.names)
        taken = self._taken(table, times, groups)
        spans = [
            self._span(table, name, rows, columns, steps)
            for (name, rows), steps in zip(groups.items(), taken, strict=True)
        ]
        if times is not None and self.step is not None:
            if config.missing is MissingValue.error:
                require_rows(table, times, spans, self.step, predicting=self.window > 0)
            else:
                self._clocks = self._clocks or made_by_clocks(times, spans, self.step)
        return [self._whole(table, span, columns, times) for span in spans]

    def _taken(
        self, table: Table, times: pd.Series | None, groups: Mapping[str, np.ndarray]
    ) -> list[np.ndarray]:
        """How many steps it is from each row of a series to its next."""
        column = self.config.time
        if times is not None and column is not None:
            if not self.frequency:
                step, self._irregular = common_step(table, column, times, groups)
                self.frequency = step.frequency if step else IRREGULAR if self._irregular else ""
            if self.step is not None:
                return require_step(table, column, times, groups, self.step)
        return [np.ones(len(rows) - 1, dtype=np.int64) for rows in groups.values()]

    def _span(
        self, table: Table, name: str, rows: np.ndarray, columns: RawColumns, taken: np.ndarray
    ) -> Span:
        targets = self.config.columns("target")
        known = np.flatnonzero(~np.isnan(columns.values[rows, : len(targets)]).all(axis=1))
        if len(known) == 0:
            raise InputError(
                f"{table.place(int(rows[0]))}: {series_name(name)} has no value of {', '.join(targets)}; "
                "give some, or leave it out"
            )
        end = int(known[-1]) + 1
        at = np.concatenate([[0], np.cumsum(taken)])
        if not self.window:
            if end < len(rows):
                what = f"last rows without a value of {', '.join(targets)}"
                self._left_out.add(what, len(rows) - end, table.place(int(rows[end])))
            return Span(name, rows[:end], at[:end], 0, end)
        steps = int(at[end - 1]) + 1
        if steps < self.window:
            raise InputError(
                f"{table.place(int(rows[end - 1]))}: {series_name(name)} ends after {steps} steps; the model "
                f"reads data.window={self.window}"
            )
        return Span(name, rows, at, steps - self.window, end)

    def _whole(self, table: Table, span: Span, columns: RawColumns, times: pd.Series | None) -> Whole:
        """The steps that are read of a series, all of whose values are there."""
        strict = self.config.missing is MissingValue.error
        first = span.first if strict else 0
        rows, at = span.rows[first:], span.at[first:] - span.at[first]
        if at[-1] + 1 > MOST_MADE_UP * len(at):
            raise InputError(
                f"{table.place(int(rows[0]))}: {series_name(span.name)} has {len(at):,} rows in "
                f"{at[-1] + 1:,} steps; mend its times, or leave out data.time to take each row as a step"
            )
        steps = np.arange(at[-1] + 1)
        present = np.isin(steps, at)
        values = np.full((len(steps), len(self._past)), np.nan)
        values[at] = columns.values[rows]
        values[:, self._static] = self._constants(table, span, columns)
        end = int(at[span.end - 1 - first]) + 1
        absent = np.isnan(values)
        absent[end:, self._past] = False
        self._fill(values, end)

        start = end - self.window if self.window else 0
        stop = end + (self.horizon if self._known.any() else 0)
        read = slice(start, stop)
        row_of = rows[np.searchsorted(at, steps, side="right") - 1]
        if lacking := [
            step for step in range(end, stop) if step >= len(steps) or (strict and not present[step])
        ]:
            self._raise_unknown(table, span, times, lacking[0] - end + 1)
        whole = Whole(
            name=span.name,
            table=table,
            rows=row_of[read],
            values=values[read],
            names=columns.names,
            times=None if times is None else self._times(times, rows, at).iloc[read],
            end=end - start,
            coming=None if times is None else times.iloc[span.rows[span.end :]],
        )
        self._require_values(whole)
        self._count(whole, present[read], absent[read])
        return whole

    def _constants(self, table: Table, span: Span, columns: RawColumns) -> np.ndarray:
        """The value of each static column of a series (columns,).

        Raises:
            InputError: rows have different ones, by file and line, or none has one.
        """
        found = []
        for number in np.flatnonzero(self._static):
            column = self.config.inputs()[number]
            values = columns.values[span.rows, number]
            given = np.flatnonzero(~np.isnan(values))
            if len(given) == 0:
                raise InputError(
                    f"{table.place(int(span.rows[0]))}: column '{column}' of {series_name(span.name)} is "
                    "empty in all rows; write it in one at least"
                )
            others = given[values[given] != values[given[0]]]
            if len(others):
                (one, line), (other, place) = (
                    (table.cells(column).iloc[row], table.place(int(row)))
                    for row in (span.rows[given[0]], span.rows[others[0]])
                )
                raise InputError(
                    f"{place}: column '{column}' of {series_name(span.name)} is '{other}', but '{one}' in "
                    f"{line}; columns of data.static are the same in all rows of an id: mend it, or name it "
                    "among data.features or data.known"
                )
            found.append(values[given[0]])
        return np.array(found)

    def _fill(self, values: np.ndarray, end: int) -> None:
        """Fill what is missing in a series that ends before step `end`; known columns go on after it."""
        assert self.names is not None
        names = np.array([name in self.names for name in self.config.inputs()])
        how = self.config.missing
        values[:end, self._past] = filled(values[:end, self._past], names[self._past], how)
        values[:, self._known] = filled(values[:, self._known], names[self._known], how)

    def _times(self, times: pd.Series, rows: np.ndarray, at: np.ndarray) -> pd.Series:
        """The times of all steps of a series, those without a row included."""
        own = times.iloc[rows]
        if self.step is None or at[-1] + 1 == len(at):
            return own
        following = self.step.after(own.tolist()[0], int(at[-1])).astype(own.dtype)
        return pd.concat([own.iloc[:1], following], ignore_index=True)

    def _raise_unknown(self, table: Table, span: Span, times: pd.Series | None, ahead: int) -> NoReturn:
        """Raise an `InputError`: what is known of the step so far `ahead` of the end stands in no row."""
        row = int(span.rows[span.end - 1])
        time = f"step +{ahead}" if times is None else after(times, row, ahead, self.step)
        known, targets = (", ".join(self.config.columns(key)) for key in ("known", "target"))
        raise InputError(
            f"{table.place(row)}: {series_name(span.name)} has no row for {time}, and data.known=[{known}] "
            f"is read for the {self.horizon} steps after the last value of {targets}; add rows from there "
            f"on, with {targets} left empty"
        )

    def _require_values(self, whole: Whole) -> None:
        """Raise an `InputError` where a value is missing still, by file and line."""
        lacking = np.isnan(whole.values)
        lacking[whole.end :, self._past] = False
        if not lacking.any():
            return
        step, number = (int(index) for index in np.argwhere(lacking)[0])
        column = self.config.inputs()[number]
        if self.config.missing is not MissingValue.error:
            raise InputError(
                f"{whole.place(step)}: column '{column}' of {series_name(whole.name)} begins with a missing "
                "value, and there is none before it to repeat; leave out its first rows"
            )
        cell = whole.table.column(column).iloc[whole.rows[step]]
        fix = "write it there" if self.names and column in self.names else "write a number there"
        if not self.window:
            fix += ", or let data.missing=previous, zero or interpolate fill it"
        raise InputError(f"{whole.place(step)}: '{cell}' in column '{column}' is a missing value; {fix}")

    def _count(self, whole: Whole, present: np.ndarray, absent: np.ndarray) -> None:
        """Count what was filled: steps without a row, and `absent` values of the others, by their columns."""
        self.filled.values += int(absent.sum())
        rows = np.flatnonzero(~present)
        if len(rows):
            first = f"before {whole.place(int(rows[0]))}"
            if whole.times is not None:
                first = f"{as_text(whole.times)[rows[0]]} after {whole.place(int(rows[0]))}"
            self.filled.add("missing rows", len(rows), first)
        targets = np.isin(self.config.inputs(), self.config.columns("target"))
        for kind, columns in (
            ("targets", targets),
            ("features", self._past & ~targets),
            ("known columns", self._known),
        ):
            steps, _ = np.nonzero(absent[:, columns] & present[:, None])
            if len(steps):
                self.filled.add(f"cells of {kind}", len(steps), whole.place(int(steps[0])))
