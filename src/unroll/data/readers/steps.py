"""The step of a series: how far it is from one time to the next, found also where rows are missing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

IRREGULAR = "irregular"
"""In the place of a step: the times have none, and each row is taken as one."""

LEAST_SHARE = 0.5
"""At least so many rows follow the one before by one step; more would be made up than is known otherwise."""

UNITS = {
    "D": ("daily", "days"),
    "h": ("hourly", "hours"),
    "min": ("every minute", "minutes"),
    "s": ("every second", "seconds"),
    "ms": ("every millisecond", "milliseconds"),
    "us": ("every microsecond", "microseconds"),
    "ns": ("every nanosecond", "nanoseconds"),
}
"""Units of fixed length as pandas writes them, and a step of one and of several of them in words."""

MONTHS = {
    "MS": "by month starts",
    "ME": "by month ends",
    "BMS": "by first business days",
    "BME": "by last business days",
}
"""Days of a month that pandas has offsets for."""

DAY = pd.Timedelta(days=1)
MONTH = pd.Timedelta(days=365.25 / 12)
SHORTEST_MONTH = pd.Timedelta(days=28)
WEEKS_WITHOUT_WEEKEND = pd.Timedelta(weeks=3)
"""Where rows are missing, so long a series without a Saturday or Sunday is one of business days."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step. Its `frequency` is pandas' word for it, such as 1D, 15min, MS or B, or a number of numbers."""

    frequency: str

    @property
    def number(self) -> int | float | None:
        """The step from one number to the next."""
        numeric = re.fullmatch(r"[0-9.]+(?:e[-+]?[0-9]+)?", self.frequency)
        if numeric is None:
            return None
        return int(self.frequency) if self.frequency.isdigit() else float(self.frequency)

    @property
    def duration(self) -> pd.Timedelta | None:
        """The length of steps between dates that all have the same length."""
        return pd.Timedelta(self.frequency) if self._fixed else None

    @property
    def about(self) -> pd.Timedelta | None:
        """How long a step between dates lasts, about; None if nobody knows."""
        if self._fixed:
            return self.duration
        if self._months:
            return MONTH * self._months
        return DAY if self.frequency == "B" else None

    @property
    def name(self) -> str:
        """The step in words."""
        if self.number is not None:
            return f"numbers by {self.frequency}"
        if self.frequency == "B":
            return "business days"
        if match := self._fixed:
            count, (one, many) = match[1], UNITS[match[2]]
            return "weekly" if self.frequency == "7D" else one if count == "1" else f"every {count} {many}"
        if months := self._months:
            called = {1: "monthly", 3: "quarterly", 12: "yearly"}.get(months, f"every {months} months")
            return f"{called} {MONTHS[self.frequency.lstrip('0123456789')]}"
        return f"every {self.frequency}"

    @property
    def season(self) -> int:
        """Steps after which values usually come back: a day's, a week's or a year's; 1 if there are none."""
        if self.frequency == "B":
            return 5
        if months := self._months:
            return 12 // months if 12 % months == 0 else 1
        length = self.duration
        if length is None:
            return 1
        if length == 7 * DAY:
            return 52
        whole = 7 * DAY if length == DAY else DAY
        return int(whole / length) if length <= DAY and whole % length == pd.Timedelta(0) else 1

    @property
    def _fixed(self) -> re.Match[str] | None:
        return re.fullmatch(rf"([0-9]+)({'|'.join(UNITS)})", self.frequency)

    @property
    def _months(self) -> int:
        """Months from one step to the next; 0 if a step has no number of them."""
        match = re.fullmatch(rf"([0-9]*)({'|'.join(MONTHS)})", self.frequency)
        return int(match[1] or 1) if match else 0

    def taken(self, times: pd.Series, groups: Sequence[np.ndarray]) -> list[np.ndarray]:
        """How many steps it is from each row of a series to its next, (rows - 1,); 0 where it is no whole
        number of them."""
        if len(times) == 0:
            return [np.zeros(0, dtype=np.int64) for _ in groups]
        if self.number is not None:
            values = times.to_numpy()
            return [_multiples(np.diff(values[rows]), self.number) for rows in groups]
        index = pd.DatetimeIndex(times)
        if (length := self.duration) is not None:
            size = max(1, int(length / _unit(index)))
            return [_multiples(np.diff(index.asi8[rows]), size) for rows in groups]
        grid = pd.date_range(index.min(), index.max(), freq=self.frequency).as_unit(index.unit)
        number = grid.get_indexer(index)
        return [
            np.where((number[rows][1:] < 0) | (number[rows][:-1] < 0), 0, np.diff(number[rows]))
            for rows in groups
        ]

    def after(self, time: pd.Timestamp | int | float, count: int) -> pd.Series:
        """The `count` times that follow a time. Whole numbers may have any size."""
        steps = range(1, count + 1)
        if isinstance(time, pd.Timestamp):
            if (length := self.duration) is not None:
                return pd.Series([time + length * step for step in steps])
            following = pd.date_range(time, periods=count + 1, freq=self.frequency)
            return pd.Series(following[1:] if following[0] == time else following[:count])
        size = self.number or 0
        return pd.Series(
            [time + size * step for step in steps], dtype="object" if isinstance(time, int) else None
        )


def _multiples(differences: np.ndarray, size: int | float) -> np.ndarray:
    """How many times `size` goes into each difference; 0 where it does not, or it is not positive."""
    if np.issubdtype(differences.dtype, np.integer):
        times, rest = np.divmod(differences, int(size))
        return np.where((rest == 0) & (times > 0), times, 0)
    ratio = differences / size
    times = np.round(ratio)
    # Decimal fractions are not exact, and their rounding grows with the numbers.
    near = np.abs(ratio - times) < 1e-3
    return np.where(near & (times > 0), times, 0).astype(np.int64)


def find_step(times: pd.Series, groups: Sequence[np.ndarray]) -> Step | None:
    """The step that all series of a table have, given the rows of each; None if there is none.

    It is the most common difference if all others are its multiples. Months, quarters and years differ in
    length: dates on starts or ends of months, or on business days, are told by pandas' offsets. At least half
    of the rows have to follow by one step; others may be missing.
    """
    for step in _candidates(times, groups):
        taken = np.concatenate(step.taken(times, groups))
        if len(taken) and (taken > 0).all() and (taken == 1).mean() >= LEAST_SHARE:
            return step
    return None


def _candidates(times: pd.Series, groups: Sequence[np.ndarray]) -> Iterator[Step]:
    if pd.api.types.is_numeric_dtype(times):
        differences = np.concatenate([np.diff(times.to_numpy()[rows]) for rows in groups])
        if len(differences):
            yield _of_numbers(differences)
        return
    index = pd.DatetimeIndex(times)
    differences = np.concatenate([np.diff(index.asi8[rows]) for rows in groups])
    if len(differences) == 0:
        return
    length = _unit(index) * int(_most_common(differences))
    if length >= SHORTEST_MONTH:
        yield from _of_months(index, groups)
    if length == DAY and not (index.day_of_week >= 5).any():
        business = Step("B")
        complete = all((taken == 1).all() for taken in business.taken(times, groups))
        over_weekend = (differences > _most_common(differences)).any()
        if over_weekend and (complete or index.max() - index.min() >= WEEKS_WITHOUT_WEEKEND):
            yield business
    yield _of_length(length)
    longest = index[max(groups, key=len)]
    if len(longest) >= 3 and longest.is_monotonic_increasing:
        inferred = pd.DatetimeIndex(longest, freq="infer").freq
        if inferred is not None:
            yield Step(inferred.freqstr)


def _unit(index: pd.DatetimeIndex) -> pd.Timedelta:
    """What the whole numbers that hold the dates count."""
    return pd.Timedelta(f"1{index.unit}")


def _most_common(values: np.ndarray) -> np.generic:
    """The most common value, of several the smallest."""
    different, counts = np.unique(values, return_counts=True)
    common: np.generic = different[counts.argmax()]
    return common


def _of_numbers(differences: np.ndarray) -> Step:
    if np.issubdtype(differences.dtype, np.integer):
        return Step(str(max(1, int(_most_common(differences)))))
    middle = float(np.median(differences))
    rounded = np.round(differences / (middle or 1.0), 6)
    size = abs(float(differences[rounded == _most_common(rounded)].mean())) or 1.0
    return Step(f"{size:.12g}")


def _of_length(length: pd.Timedelta) -> Step:
    """The step of a length, in the largest unit of which it has a whole number."""
    for unit in UNITS:
        size = pd.Timedelta(f"1{unit}")
        if length > pd.Timedelta(0) and length % size == pd.Timedelta(0):
            return Step(f"{int(length / size)}{unit}")
    return Step("1ns")


def _of_months(index: pd.DatetimeIndex, groups: Sequence[np.ndarray]) -> Iterator[Step]:
    """The steps of months whose days of the month the dates are on."""
    month = (index.year * 12 + index.month).to_numpy()
    count = int(_most_common(np.concatenate([np.diff(month[rows]) for rows in groups])))
    different = index.unique()
    for day in MONTHS:
        offset = pd.tseries.frequencies.to_offset(day)
        if count > 0 and all(offset.is_on_offset(date) for date in different):
            yield Step(day if count == 1 else f"{count}{day}")
