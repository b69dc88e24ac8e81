"""Times of every kind: they keep what is written, and the times that follow are of the same kind."""

import datetime

import pandas as pd
import pytest
from file_data import data_in, write
from helpers import require_one_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unroll.data.readers.grouping import group_rows
from unroll.data.readers.table_file import read_table
from unroll.data.readers.times import carry_on, read_times
from unroll.errors import InputError

LIMITS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def times_of(folder, cells):
    path = write(folder, "t.csv", "t\n" + "".join(f"{cell}\n" for cell in cells))
    return read_times(read_table(path), "t")


@LIMITS
@given(start=st.integers(-(2**63), 2**63), step=st.integers(1, 2**40))
def test_whole_numbers_are_exact(tmp_path, start, step):
    cells = [start + step * number for number in range(4)]
    try:
        times = times_of(tmp_path, cells)
    except InputError as error:
        require_one_line(error, f"{tmp_path}/t.csv:", "is beyond ±2^62")
        assert max(map(abs, cells)) > 2**62
        return
    if pd.api.types.is_datetime64_any_dtype(times):  # 20240131 or such
        return
    assert times.tolist() == cells
    assert carry_on(times, 2) == [str(start + step * number) for number in (4, 5)]


@LIMITS
@given(
    start=st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2090, 1, 1)),
    form=st.sampled_from(["%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S"]),
    count=st.integers(3, 40),
)
def test_digits_of_dates_go_on_as_dates(tmp_path, start, form, count):
    """The property: what follows 20240131 is 2024-02-01, never 20240132."""
    start = start.replace(hour=0 if form == "%Y%m%d" else start.hour, minute=0, second=0, microsecond=0)
    days = [start + datetime.timedelta(days=day) for day in range(count + 2)]
    times = times_of(tmp_path, [day.strftime(form) for day in days[:count]])
    following = [pd.Timestamp(text).to_pydatetime() for text in carry_on(times, 2)]
    assert following == days[count:]


def test_months_are_dates_where_a_year_turns(tmp_path):
    assert carry_on(times_of(tmp_path, [202311, 202312, 202401]), 2) == ["2024-02-01", "2024-03-01"]
    assert carry_on(times_of(tmp_path, [200101, 200102, 200103]), 2) == ["200104", "200105"]
    assert carry_on(times_of(tmp_path, [19999, 20000, 20001]), 1) == ["20002"]
    assert carry_on(times_of(tmp_path, [2023, 2024]), 1) == ["2025"]
    assert carry_on(times_of(tmp_path, [20240132, 20240133, 20240134]), 1) == ["20240135"]


@LIMITS
@given(year=st.integers(1, 9998), count=st.integers(2, 5))
def test_years_have_four_digits(tmp_path, year, count):
    days = [datetime.date(year, 12, 28) + datetime.timedelta(days=day) for day in range(count + 2)]
    times = times_of(tmp_path, [day.isoformat() for day in days[:count]])
    assert carry_on(times, 2) == [day.isoformat() for day in days[count:]]


def test_numbers_that_differ_stay_different(tmp_path):
    """Nanoseconds since 1970 are beyond 2^53."""
    text = "id,t\n" + "".join(f"a,{1_700_000_000_000_000_000 + step}\n" for step in range(3))
    _, times = group_rows(read_table(write(tmp_path, "t.csv", text)), "id", "t")
    assert times.diff().dropna().tolist() == [1, 1]


@LIMITS
@given(number=st.integers(-(10**40), 10**40))
def test_a_whole_number_is_itself_or_refused(tmp_path, number):
    table = read_table(write(tmp_path, "t.csv", f"x\n{number}\n"))
    try:
        (value,) = table.numbers("x").tolist()
    except InputError as error:
        require_one_line(error, f"{table.path}:2: '{number}' in column 'x' ")
        assert abs(number) > 2**53
        return
    assert int(value) == number


def test_hard_links_to_one_file_are_one_file(tmp_path):
    first = write(tmp_path, "a.csv", "x\n" + "1\n2\n" * 30)
    for name in ("b.csv", "c.csv"):
        (tmp_path / name).hardlink_to(first)
    train, valid, test = (str(tmp_path / f"{name}.csv") for name in "abc")
    keys = {"target": "x", "window": 4, "horizon": 2}
    data = data_in(None, "series", train=train, valid=valid, test=test, **keys)
    with pytest.raises(InputError, match=r"data\.valid=.*b\.csv: is also data\.train"):
        data.splits  # noqa: B018
