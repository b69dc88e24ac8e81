"""The rows of a series by the steps that they are, and those that are missing between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unroll.data.readers import daylight
from unroll.data.readers.steps import Step
from unroll.data.readers.table import Table
from unroll.data.readers.times import as_text
from unroll.errors import InputError

LOOKED_AT = 1000
"""How many gaps are looked at to find out whether clocks made them."""


def series_name(name: str) -> str:
    """The name of a series in a message; it is empty where there is only one series."""
    return f"series '{name}'" if name else "the series"


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a series that is read.

    Attributes:
        name: the id of the series.
        rows: all rows of the series.
        at: the step that each of its rows is, from 0.
        start: the first step that is read.
        end: one after the last row that has a value to forecast.
    """

    name: str
    rows: np.ndarray
    at: np.ndarray
    start: int
    end: int

    @property
    def first(self) -> int:
        """The number of the first row that is read."""
        return int(np.searchsorted(self.at, self.start))

    @property
    def missing(self) -> int:
        """How many steps have no row, before the end."""
        return int(self.at[self.end - 1]) + 1 - self.start - (self.end - self.first)

    @property
    def gaps(self) -> list[int]:
        """The numbers of the rows after a gap."""
        after = np.flatnonzero(np.diff(self.at[: self.end], prepend=-1) > 1)
        return [int(row) for row in after if row >= self.first]


def after(times: pd.Series, row: int, count: int, step: Step | None) -> str:
    """The time `count` steps after that of a row, as text."""
    if step is None:
        return f"step +{count}"
    time = times.iloc[[row]]
    following = step.after(time.tolist()[0], count).iloc[-1:]
    return as_text(pd.concat([times, following.astype(times.dtype)], ignore_index=True))[-1]


def made_by_clocks(times: pd.Series, spans: Sequence[Span], step: Step) -> str:
    """What to say if rows are missing because clocks went forward; nothing otherwise."""
    before = [span.rows[row - 1] for span in spans for row in span.gaps][:LOOKED_AT]
    following = [step.after(times.iloc[row], 1) for row in before] if step.number is None else []
    return daylight.skipped(pd.concat(following)) if following else ""


def require_rows(
    table: Table, times: pd.Series, spans: Sequence[Span], step: Step, *, predicting: bool
) -> None:
    """Raise an `InputError` where rows are missing: the first of them, how many there are, and the fix."""
    lacking = [span for span in spans if span.missing]
    if not lacking:
        return
    span = lacking[0]
    row = span.gaps[0]
    before = int(span.at[row - 1])
    first = after(times, int(span.rows[row - 1]), max(before + 1, span.start) - before, step)
    count = sum(each.missing for each in lacking)
    some = f"the first of {count:,} missing rows" if count > 1 else "the only missing row"
    fix = "add them" if count > 1 else "add it"
    if not predicting:
        fix += (
            ", set data.missing=previous, zero or interpolate to fill, or leave data.time out to take each "
            "row as a step"
        )
    raise InputError(
        f"{table.place(int(span.rows[row]))}: '{first}' is missing before this row of "
        f"{series_name(span.name)}, {some} (steps are {step.name}); "
        f"{made_by_clocks(times, lacking, step) or fix}"
    )
