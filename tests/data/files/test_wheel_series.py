"""Real series that lie in wheels: what is made of a package's file, and what is said where one is missing."""

import importlib.util

import numpy as np
import pandas as pd
import pytest

from unroll.config.registry import from_dict
from unroll.data.files import wheel_series
from unroll.data.files.wheel_series import WheelSeries, write_table
from unroll.data.module import build_data
from unroll.errors import MissingEnvironmentError

PACKAGES = {
    **dict.fromkeys(("sf_temps", "seattle_temps", "seattle_weather"), "vega_datasets"),
    **dict.fromkeys(("co2", "sunspots", "elnino"), "statsmodels"),
}
STEPS = {
    "sf_temps": (8760, "h", "2010-01-01 00:00", "2010-12-31 23:00"),
    "seattle_temps": (8760, "h", "2010-01-01 00:00", "2010-12-31 23:00"),
    "seattle_weather": (1461, "D", "2012-01-01", "2015-12-31"),
    "co2": (2284, "W-SAT", "1958-03-29", "2001-12-29"),
    "sunspots": (309, "YS", "1700-01-01", "2008-01-01"),
    "elnino": (732, "MS", "1950-01-01", "2010-12-01"),
}


def data_of(series, **values):
    return build_data(from_dict("data", {"name": "wheel_series", "series": series, **values}), 1)


@pytest.mark.parametrize("series", WheelSeries, ids=lambda series: series.value)
def test_every_series_is_whole_and_regular(series, tmp_path):
    if importlib.util.find_spec(PACKAGES[series.value]) is None:
        pytest.skip(f"needs the package {PACKAGES[series.value]}")
    path = tmp_path / "data" / "table.csv"
    write_table(series, path)
    table = pd.read_csv(path, parse_dates=["date"])
    steps, frequency, first, last = STEPS[series.value]
    assert table["date"].tolist() == pd.date_range(first, last, freq=frequency).tolist()
    assert len(table) == steps
    assert not table.isna().any(axis=None)
    assert [*path.parent.iterdir()] == [path]
    data = data_of(series.value, path=str(path), window=12, horizon=3)
    assert data.spec.target_inputs == (0,)
    assert sum(map(len, data.splits.values())) == steps - 12 - 3 + 1 - 2 * 2  # windows across the cuts


def of_weeks(folder, monkeypatch):
    """As if a package held CO₂ of six weeks; two of them are missing."""
    package = folder / "weeks"
    (package / "datasets/co2").mkdir(parents=True)
    weeks = ("19580329,316.0", "19580405,", "19580412,", "19580419,319.0", "19580426,318", "19580503,317")
    (package / "datasets/co2/co2.csv").write_text("\n".join(["date,co2", *weeks]))
    spec = importlib.util.spec_from_file_location("weeks", package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def test_missing_weeks_lie_on_a_line(tmp_path, monkeypatch):
    of_weeks(tmp_path, monkeypatch)
    path = tmp_path / "co2.csv"
    write_table(WheelSeries.co2, path)
    assert pd.read_csv(path)["co2"].tolist() == [316, 317, 318, 319, 318, 317]


def test_a_table_that_is_there_stays(tmp_path, monkeypatch):
    path = tmp_path / "own.csv"
    values = np.arange(60)
    pd.DataFrame({"date": values, "co2": values**2, "more": -values}).to_csv(path, index=False)
    before = path.read_bytes()
    monkeypatch.setattr(wheel_series, "_TABLES", {})
    data = data_of("co2", path=str(path), features="more", window=5, horizon=1)
    assert data.spec.input_names == ("co2", "more")
    assert path.read_bytes() == before


def test_a_missing_package_is_told_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingEnvironmentError, match=r"'vega_datasets': pip install vega-datasets$"):
        _ = data_of("sf_temps").spec
    with pytest.raises(MissingEnvironmentError, match=r"'statsmodels': pip install statsmodels$"):
        _ = data_of("co2").spec
    assert not [*tmp_path.iterdir()]


def test_a_table_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    of_weeks(tmp_path, monkeypatch)
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingEnvironmentError, match=r"data\.path=.*: cannot be written"):
        write_table(WheelSeries.co2, tmp_path / "file" / "co2.csv")
