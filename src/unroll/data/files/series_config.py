"""The part of the config of time series that says which columns are read, and how."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from unroll.data.readers.files_config import FilesConfig
from unroll.errors import InputError


class MissingValue(Enum):
    """What a missing value or row is.

    An error, the previous value of its series, zero, or a value on the line between its neighbours.
    """

    error = "error"
    previous = "previous"
    zero = "zero"
    interpolate = "interpolate"


class Calendar(Enum):
    """Which columns the times give: hour, weekday and so on, where the data show them (auto), or none."""

    auto = "auto"
    none = "none"


@dataclass(kw_only=True, slots=True)
class SeriesColumnsConfig(FilesConfig):
    """Base config of the columns of time series.

    Attributes:
        target: a column to forecast, or several as [a, b]; their own past is always among the inputs
        features: further columns to forecast it from, of numbers or names, whose past is read
        known: columns that are known for the steps to forecast, such as a plan of promotions; a window reads
            them and what they are up to `horizon` steps later
        static: columns that are the same in all rows of an id, such as its region
        time: a column of numbers or dates that increase
        id: a column that tells several series apart
        calendar: what is read of dates, as sines and cosines; auto is the hour of steps below a day, the
            weekday of those below a week, and the day of the year, or the month, of those up to a month, each
            where training lasts for two days, weeks or years or longer; none is nothing
        missing: what a missing value is, and a row that is missing where times have a step; an error, or it
            is filled: as the previous one of its series, with zero, or on the line between its neighbours
            (names always as the previous one)
    """

    target: Any = None
    features: Any = None
    known: Any = None
    static: Any = None
    time: str | None = None
    id: str | None = None
    calendar: Calendar = Calendar.none
    missing: MissingValue = MissingValue.error

    def __post_init__(self) -> None:
        FilesConfig.__post_init__(self)
        for read in ("target", "features"):  # a target may be named among the features
            self.require_columns("id", "time", read, "known", "static")

    def require_ready(self) -> None:
        FilesConfig.require_ready(self)
        if self.target is None:
            raise InputError("data.target: not given; name the column to forecast, as data.target=COLUMN")

    def inputs(self) -> tuple[str, ...]:
        """The columns to read values from: the targets, then the features, those known, and the static."""
        keys = ("target", "features", "known", "static")
        return tuple(dict.fromkeys(name for key in keys for name in self.columns(key)))
