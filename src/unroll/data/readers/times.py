"""Columns of times: numbers or dates that increase, and the times that follow them."""

import itertools

import numpy as np
import pandas as pd

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
    as 20240131. If any date has an offset from UTC, all are converted to UTC.

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
    return dates if has_offset.any() else dates.dt.tz_localize(None)


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
    raise InputError(
        f"{table.place(row)}: '{later}' in column '{name}' {fault} in {table.place(before)}; {fix}"
    )


def as_text(times: pd.Series) -> list[str]:
    """Times as text: whole numbers without a point, dates at midnight without a time."""
    if pd.api.types.is_numeric_dtype(times):
        return [str(value) if isinstance(value, int) else f"{value:.15g}" for value in times.tolist()]
    days = (times == times.dt.normalize()).all()
    texts = [time.isoformat(sep=" ") for time in times]
    return [text.split(" ")[0] for text in texts] if days else texts


def carry_on(times: pd.Series, steps: int) -> list[str]:
    """The `steps` times after the last, as text.

    They continue the frequency that pandas infers from dates, or the distance from one time to the next. If
    the times are not evenly spaced, or would pass the year 9999, they are "+1", "+2" …: steps after the last.
    """
    ahead = pd.RangeIndex(1, steps + 1)
    differences = times.diff().dropna()
    dates = not pd.api.types.is_numeric_dtype(times)
    if dates and len(times) >= 3:
        frequency = pd.DatetimeIndex(times, freq="infer").freq
        if frequency is not None:
            following = pd.date_range(times.iloc[-1], periods=steps + 1, freq=frequency)[1:]
            return _as_the_rest(times, following.to_series())
    if pd.api.types.is_integer_dtype(times):
        whole = times.tolist()
        steps_between = {after - before for before, after in itertools.pairwise(whole)}
        if len(steps_between) == 1:
            return [str(whole[-1] + step * min(steps_between)) for step in ahead]
        return [f"+{step}" for step in ahead]
    even = len(differences) > 0 and (
        (differences == differences.iloc[0]).all() if dates else np.allclose(differences, differences.iloc[0])
    )
    if not even:
        return [f"+{step}" for step in ahead]
    difference = (times.iloc[-1] - times.iloc[0]) / len(differences)
    return _as_the_rest(times, pd.Series([times.iloc[-1] + difference * step for step in ahead]))


def _as_the_rest(times: pd.Series, following: pd.Series) -> list[str]:
    """Following times as text, in the format of all times together; "+1", "+2" … where no date says them."""
    if not pd.api.types.is_numeric_dtype(times) and following.iloc[-1].year > LAST_YEAR:
        return [f"+{step}" for step in range(1, len(following) + 1)]
    return as_text(pd.concat([times, following], ignore_index=True))[len(times) :]
