"""Real time series that lie in wheels: those of the PyPI packages `vega_datasets` and `statsmodels`.

Only the packages' data files are read; none of their code is imported, and nothing is downloaded.
"""

import importlib.util
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pandas as pd

from unroll.config.registry import builds, register
from unroll.data.files.series import Series, SeriesConfig
from unroll.data.samples import Samples
from unroll.errors import InputError, MissingEnvironmentError, reason
from unroll.spec import DataSpec


class WheelSeries(Enum):
    """A series in a wheel.

    sf_temps, seattle_temps: a year of hourly temperatures (°F) in San Francisco and Seattle. seattle_weather:
    the daily weather there, 2012 to 2015. co2: weekly CO₂ (ppm) on Mauna Loa, 1958 to 2001 (Keeling & Whorf
    2004). sunspots: their yearly number, 1700 to 2008. elnino: the monthly temperature (°C) of the sea in the
    tropical Pacific, 1950 to 2010.
    """

    sf_temps = "sf_temps"
    seattle_temps = "seattle_temps"
    seattle_weather = "seattle_weather"
    co2 = "co2"
    sunspots = "sunspots"
    elnino = "elnino"


@register("data", "wheel_series")
@dataclass(kw_only=True, slots=True)
class WheelSeriesConfig(SeriesConfig):
    """Config of a real time series that lies in a wheel.

    A run writes it to a table, if that is not there yet, and reads the table as one of your own. A table of
    new values for `unroll predict` has the same columns. Missing steps and values lie on a straight line
    between their neighbours.

    Attributes:
        series: which one; sf_temps, seattle_temps and seattle_weather need the package vega_datasets, co2,
            sunspots and elnino need statsmodels
        path: the table; null is outputs/data/SERIES.csv
        target: a column to forecast, or several as [a, b]; null is the first one beside `date`
        time: the column of dates; null is `date`
    """

    name: str = "wheel_series"
    series: WheelSeries = WheelSeries.sf_temps

    def __post_init__(self) -> None:
        self.path = self.path or f"outputs/data/{self.series.value}.csv"
        self.target = (
            self.target
            or {
                WheelSeries.sf_temps: "temp",
                WheelSeries.seattle_temps: "temp",
                WheelSeries.seattle_weather: "temp_max",
                WheelSeries.co2: "co2",
                WheelSeries.sunspots: "sunspots",
                WheelSeries.elnino: "temp",
            }[self.series]
        )
        self.time = self.time or "date"
        SeriesConfig.__post_init__(self)

    def require_ready(self) -> None:
        self.files()  # the table need not be there


@builds(WheelSeriesConfig)
class SeriesOfWheel(Series):
    """Windows of a series in a wheel, as of a file of one's own."""

    config: WheelSeriesConfig

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        assert self.config.path is not None
        write_table(self.config.series, Path(self.config.path))
        return super().load()


def write_table(series: WheelSeries, path: Path) -> None:
    """Write a series as CSV, completely or not at all, unless the file is there.

    Raises:
        MissingEnvironmentError: its package is not installed, or the file cannot be written.
    """
    if path.exists():
        return
    table = _TABLES[series]()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # another process may write it, too
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(temporary, index_label="date")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise MissingEnvironmentError(f"data.path={path}: cannot be written ({reason(error)})") from error


def _read(series: WheelSeries, package: str, file: str) -> pd.DataFrame:
    """A file of a package's data, by column."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        name = package.replace("_", "-")
        raise MissingEnvironmentError(
            f"data.series={series.value} needs the package '{package}': pip install {name}"
        )
    path = Path(spec.origin).parent / file
    if not path.is_file():
        raise InputError(
            f"data.series={series.value}: this version of {package} has no {file}; take another version"
        )
    return pd.read_csv(path)


def _regular(table: pd.DataFrame, dates: pd.Series | pd.Index, frequency: str) -> pd.DataFrame:
    """The columns at every step, by date; what is missing lies on a straight line."""
    steps = table.set_index(pd.DatetimeIndex(dates)).sort_index().asfreq(frequency)
    return steps.interpolate("linear").round(4)


def _hourly(series: WheelSeries, file: str) -> pd.DataFrame:
    table = _read(series, "vega_datasets", file)
    return _regular(table[["temp"]], pd.to_datetime(table["date"], format="mixed", yearfirst=True), "h")


def _weather() -> pd.DataFrame:
    table = _read(WheelSeries.seattle_weather, "vega_datasets", "_data/seattle-weather.csv")
    columns = ["temp_max", "temp_min", "precipitation", "wind"]
    return _regular(table[columns], pd.to_datetime(table["date"], format="%Y/%m/%d"), "D")


def _co2() -> pd.DataFrame:
    table = _read(WheelSeries.co2, "statsmodels", "datasets/co2/co2.csv")
    return _regular(table[["co2"]], pd.to_datetime(table["date"].astype(str), format="%Y%m%d"), "W-SAT")


def _sunspots() -> pd.DataFrame:
    table = _read(WheelSeries.sunspots, "statsmodels", "datasets/sunspots/sunspots.csv")
    values = table[["SUNACTIVITY"]].rename(columns={"SUNACTIVITY": "sunspots"})
    return _regular(values, pd.to_datetime(table["YEAR"].astype(int).astype(str), format="%Y"), "YS")


def _elnino() -> pd.DataFrame:
    table = _read(WheelSeries.elnino, "statsmodels", "datasets/elnino/elnino.csv")
    months = table.melt("YEAR", var_name="month", value_name="temp")
    dates = pd.to_datetime(months["YEAR"].astype(int).astype(str) + months["month"], format="%Y%b")
    return _regular(months[["temp"]], dates, "MS")


_TABLES: dict[WheelSeries, Callable[[], pd.DataFrame]] = {
    WheelSeries.sf_temps: lambda: _hourly(WheelSeries.sf_temps, "_data/sf-temps.csv"),
    WheelSeries.seattle_temps: lambda: _hourly(WheelSeries.seattle_temps, "_data/seattle-temps.csv"),
    WheelSeries.seattle_weather: _weather,
    WheelSeries.co2: _co2,
    WheelSeries.sunspots: _sunspots,
    WheelSeries.elnino: _elnino,
}
