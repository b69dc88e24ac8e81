"""Columns of times: numbers or dates that increase, and the times that follow them."""

import numpy as np
import pandas as pd

from unroll.data.readers import daylight
from unroll.data.readers.steps import Step, find_step
from unroll.data.readers.table import Table
from unroll.errors import InputError

LAST_YEAR = 9999
"""ISO 8601 has dates of four digits of the year."""

STAMPS = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 10: "%Y%m%d%H", 8: "%Y%m%d", 6: "%Y%m"}
"""Dates that are written as whole numbers, by their number of digits."""

LARGEST_WHOLE = 2**62
"""Differences of whole numbers up to here are exact in 64 bits."""


def read_times(table: Table, name: str) -> pd.Series:
    """A column as numbers if its first cell is a number, else as dates. Whole numbers are exact.

    Dates must be in ISO 8601, since 01/02/2024 means different days in different countries, or be digits such
    as 20240131. If any date has an offset from UTC, all are converted to UTC; but days that begin at midnight
    where the clocks are, whose offsets change over the year, stay days.

    Raises:
        InputError: a cell that is neither, by file and line.
    """
    text = pd.Series(table.text(name), dtype="str")
    stamps = _stamps(text)
    if stamps is not None:
        return stamps
    if text.str.fullmatch(r"[-+]?[0-9]{1,30}").all():
        return _whole_numbers(table, name, text)
    if pd.notna(pd.to_numeric(text.iloc[:1], errors="coerce")).all():
        return pd.Series(table.numbers(name, missing="write when the step was"))
    dates = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    wrong = dates.isna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{table.place(row)}: '{text[row]}' in column '{name}' is not a date; "
            "write dates as 2024-01-31 or 2024-01-31 13:45, or use numbers"
        )
    has_offset = text.str.contains(r":\d\d.*(?:Z|[+-]\d\d:?\d\d)$|T\d\d(?:Z|[+-]\d\d)$", case=False)
    if not has_offset.any():
        return dates.dt.tz_localize(None)
    of_day = dates - dates.dt.normalize()
    if has_offset.all() and (of_day != of_day.iloc[0]).any():
        clock = text.str.replace(r"(?:Z|[+-]\d\d:?(?:\d\d)?)$", "", case=False, regex=True)
        local = pd.to_datetime(clock, format="ISO8601", errors="coerce")
        if (local == local.dt.normalize()).all():
            return local
    return dates


def _stamps(text: pd.Series) -> pd.Series | None:
    """Whole numbers that are all dates of the years 1900 to 2099, such as 20240131 or 202401311345; or None.

    Months such as 202401 are dates only if they show it, by going on from 202312 to 202401.
    """
    digits = text.str.removesuffix(".0")  # a Parquet column may hold them as float64
    size = len(digits.iloc[0])
    if size not in STAMPS or not digits.str.fullmatch(rf"(?:19|20)[0-9]{{{size - 2}}}").all():
        return None
    dates = pd.to_datetime(digits, format=STAMPS[size], errors="coerce")
    if dates.isna().any():
        return None
    if size == 6:
        turns = digits.str.endswith("12") & digits.shift(-1).str.endswith("01")
        if not turns.any() or dates.dt.to_period("M").astype("int64").diff().dropna().nunique() != 1:
            return None
    return dates


def _whole_numbers(table: Table, name: str, text: pd.Series) -> pd.Series:
    values = [int(each) for each in text]
    for row, value in enumerate(values):
        if abs(value) > LARGEST_WHOLE:
            raise InputError(
                f"{table.place(row)}: '{text[row]}' in column '{name}' is beyond ±2^62; count from a later "
                "start"
            )
    return pd.Series(values, dtype="int64")


def require_increasing(table: Table, name: str, times: pd.Series, rows: np.ndarray) -> None:
    """Raise an `InputError`, by file and line, unless times increase strictly from row to row."""
    values = times.iloc[rows].to_numpy()
    stands = np.flatnonzero(values[1:] <= values[:-1])
    if len(stands) == 0:
        return
    before, row = (int(rows[stands[0] + i]) for i in (0, 1))
    earlier, later = (table.text(name)[i] for i in (before, row))
    same = times.iloc[before] == times.iloc[row]
    fault = "is the same as" if same else f"comes before '{earlier}'"
    fix = "leave one of the rows out, or tell them apart by data.id" if same else "sort the rows by it"
    if not pd.api.types.is_numeric_dtype(times) and _has_hours(times.iloc[rows]):
        fix = daylight.repeated(times.iloc[[row]]) or fix
    raise InputError(
        f"{table.place(row)}: '{later}' in column '{name}' {fault} in {table.place(before)}; {fix}"
    )


def as_text(times: pd.Series) -> list[str]:
    """Times as text: whole numbers without a point, dates at midnight without a time."""
    if pd.api.types.is_numeric_dtype(times):
        return [str(value) if isinstance(value, int) else f"{value:.15g}" for value in times.tolist()]
    texts = [time.isoformat(sep=" ") for time in times]
    return texts if _has_hours(times) else [text.split(" ")[0] for text in texts]


def _has_hours(dates: pd.Series) -> bool:
    """Whether any date is not at midnight."""
    return bool((dates != dates.dt.normalize()).any())


def carry_on(times: pd.Series, count: int, step: Step | None = None) -> list[str]:
    """The `count` times after the last, as text, by the step of these times unless another is given.

    If the times have no step, or would pass the year 9999, they are "+1", "+2" …: steps after the last.
    """
    step = step or find_step(times, [np.arange(len(times))])
    counted = [f"+{number}" for number in range(1, count + 1)]
    if step is None:
        return counted
    try:
        following = step.after(times.tolist()[-1], count)
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        return counted
    if pd.api.types.is_integer_dtype(times):
        return [str(value) for value in following]
    if not pd.api.types.is_numeric_dtype(times) and following.iloc[-1].year > LAST_YEAR:
        return counted
    return as_text(pd.concat([times, following], ignore_index=True))[len(times) :]
