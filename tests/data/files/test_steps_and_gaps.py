"""Series whose times have a step: gaps are told or filled, and never skipped."""

import numpy as np
import pandas as pd
import pytest
from file_data import data_in, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unroll.errors import InputError

NAMES = {"target": "y", "time": "day", "window": 7, "horizon": 3, "calendar": "none"}


def table(steps=100, freq="D", ids=("a",), start="2024-01-01"):
    random = np.random.default_rng(0)
    return pd.concat(
        pd.DataFrame(
            {
                "id": name,
                "day": pd.date_range(start, periods=steps, freq=freq).strftime("%Y-%m-%d %H:%M"),
                "y": random.normal(100, 9, steps).round(2),
                "x": random.normal(size=steps).round(2),
                "kind": np.where(np.arange(steps) % 7 < 5, "work", "rest"),
            }
        )
        for name in ids
    ).reset_index(drop=True)


def read(folder, rows, **values):
    given = {**NAMES, "id": "id" if rows.id.nunique() > 1 else None, **values}
    data = data_in(write(folder, "s.csv", rows.to_csv(index=False)), "series", **given)
    _ = data.spec
    return data


def inputs_of(data):
    """The values of all series as windows read them, one after the other."""
    return [stretch.inputs.numpy() for stretch in data.splits["train"].samples.stretches]


def test_a_missing_row_is_an_error_that_names_the_first_and_the_count(tmp_path):
    rows = table().drop(index=[40, 41, 70])
    with pytest.raises(InputError) as caught:
        read(tmp_path, rows)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 's.csv'}:42: '2024-02-10' is missing before this row")
    assert "the first of 3 missing rows (steps are daily)" in message
    assert "data.missing=previous, zero or interpolate" in message


@pytest.mark.parametrize("how", ["previous", "zero", "interpolate"])
def test_missing_rows_and_cells_are_filled_and_counted(tmp_path, how):
    rows = table(ids=("a", "b"))
    full = rows.copy()
    rows.loc[50, "y"] = np.nan
    rows = rows.drop(index=[30, 31, 150])
    data = read(tmp_path, rows, missing=how, features=["x", "kind"])
    filled = inputs_of(data)
    wanted = full.copy()
    wanted.loc[[30, 31, 150], ["y", "x"]] = np.nan
    wanted.loc[50, "y"] = np.nan
    wanted.loc[[30, 31, 150], "kind"] = None
    for number, (_, series) in enumerate(wanted.groupby("id", sort=False)):
        values = series[["y", "x"]]
        values = {
            "previous": values.ffill,
            "zero": lambda v=values: v.fillna(0),
            "interpolate": values.interpolate,
        }[how]()
        np.testing.assert_allclose(filled[number][:, :2], values, rtol=1e-5, atol=1e-6)
        names = [name.removeprefix("kind=") for name in data.spec.input_names[2:]]
        np.testing.assert_array_equal(
            np.array(names)[filled[number][:, 2:].argmax(axis=1)], series["kind"].ffill()
        )
    (told,) = [note for note in data.notes if "filled" in note]
    assert f"data.missing={how}" in told
    assert "3 missing rows (the first 2024-01-31 after" in told
    assert "1 " in told


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), share=st.floats(0, 0.3), freq=st.sampled_from(["D", "h", "MS", "W", "B"]))
def test_whatever_rows_are_missing_the_steps_are_those_of_the_whole_file(tmp_path, seed, share, freq):
    rows = table(freq=freq)
    kept = np.random.default_rng(seed).random(len(rows)) >= share
    kept[[0, 1, 2, -1]] = True
    whole, holes = (read(tmp_path, each, missing="interpolate") for each in (rows, rows[kept]))
    assert (holes.step_name, len(holes.splits["train"])) == (whole.step_name, len(whole.splits["train"]))
    (first,), (second,) = inputs_of(whole), inputs_of(holes)
    assert len(first) == len(second)
    np.testing.assert_array_equal(first[kept], second[kept])
    steps = holes.named_steps("test", 0)
    assert steps.times == whole.named_steps("test", 0).times


def test_gaps_do_not_make_dates_of_a_forecast_plus_one(tmp_path):
    """2% of the rows of a daily file missing: a forecast still has dates, and a season is still a week."""
    rows = table(steps=200)
    rows = rows.drop(index=[20, 90, 140, 170])
    data = read(tmp_path, rows, missing="interpolate", season=None)
    assert data.spec.season == 7
    inputs = data.read_inputs(tmp_path / "s.csv", data.spec)
    assert inputs.steps == [["2024-07-19", "2024-07-20", "2024-07-21"]]


def test_a_row_that_comes_twice_is_told_with_both_lines(tmp_path):
    rows = table()
    rows = pd.concat([rows, rows[30:31]]).sort_index(kind="stable")
    with pytest.raises(InputError, match=r"s\.csv:33: .* is the same as in .*s\.csv:32"):
        read(tmp_path, rows)


@pytest.mark.parametrize(("start", "what"), [("2024-03-30", "clocks skip"), ("2024-10-26", "comes twice")])
def test_a_change_of_clocks_is_told_as_one(tmp_path, start, what):
    local = pd.date_range(start, periods=72, freq="h", tz="Europe/Berlin").strftime("%Y-%m-%d %H:%M")
    rows = table(steps=72).assign(day=local)
    with pytest.raises(InputError) as caught:
        read(tmp_path, rows)
    assert what in str(caught.value)
    assert "offset from UTC" in str(caught.value)
    with_offset = pd.date_range(start, periods=72, freq="h", tz="Europe/Berlin").map(
        lambda each: each.isoformat()
    )
    assert read(tmp_path, rows.assign(day=with_offset)).step_name == "hourly"


def test_series_of_different_steps_are_refused(tmp_path):
    rows = pd.concat([table(), table(freq="h").assign(id="b")])
    with pytest.raises(InputError, match=r"daily.*hourly|hourly.*daily"):
        read(tmp_path, rows)


def test_times_without_a_step_are_told_and_rows_are_steps(tmp_path):
    random = np.random.default_rng(0)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        random.exponential(1e5, 100).cumsum().round(), unit="s"
    )
    data = read(tmp_path, table().assign(day=times))
    assert any("have no step" in note and "each row is taken as one" in note for note in data.notes)
    assert len(inputs_of(data)[0]) == 100


@pytest.mark.parametrize(
    ("freq", "steps", "season"),
    [("h", 200, 24), ("D", 100, 7), ("MS", 100, 12), ("W", 200, 52), ("YS", 60, 1)],
)
def test_the_season_follows_from_the_step(tmp_path, freq, steps, season):
    rows = table(steps=steps, freq=freq, start="1950-01-01")
    window = {"W": 52, "h": 24}.get(freq, 12)
    data = read(tmp_path, rows, season=None, window=window)
    assert data.spec.season == season
    assert read(tmp_path, rows, season=3, window=window).spec.season == 3
    assert read(tmp_path, rows, season=None, window=3).spec.season == 1


def test_rows_to_forecast_are_not_trained_on(tmp_path):
    """Rows at the end whose targets are empty are the future: not filled, and said."""
    rows = table()
    future = table(steps=14, start="2024-04-10").assign(y=np.nan)
    for how in ("error", "previous"):
        whole, more = (
            read(tmp_path, rows, missing=how),
            read(tmp_path, pd.concat([rows, future]), missing=how),
        )
        assert len(more.splits["test"]) == len(whole.splits["test"])
        assert more.carried == 0
        assert any(
            note.startswith("left out: 14 last rows without a value of y (the first") for note in more.notes
        )
