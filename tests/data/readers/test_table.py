"""Tables: true line numbers, every format, numbers and times, and which rows belong together."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from file_data import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unroll.data.readers.grouping import group_rows
from unroll.data.readers.table_file import read_table
from unroll.data.readers.times import carry_on, read_times
from unroll.errors import InputError

cells = st.text(st.sampled_from('ab1 ,;"\n\té'), min_size=1, max_size=6).filter(lambda text: text.strip())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=8),
    blanks=st.lists(st.integers(0, 2), min_size=9, max_size=9),
    crlf=st.booleans(),
    bom=st.booleans(),
    suffix=st.sampled_from([".csv", ".tsv", ".txt", ".csv.gz", ".TSV.GZ"]),
)
def test_cells_and_lines_are_those_of_the_file(tmp_path, rows, blanks, crlf, bom, suffix):
    """Written by Python's csv, with blank lines between; line numbers are counted while writing."""
    delimiter = "," if "csv" in suffix else "\t"
    newline = "\r\n" if crlf else "\n"
    text, lines = "", []
    for row, blank in zip([("left", "right"), *rows], blanks, strict=False):
        text += newline * blank
        lines.append(text.count("\n") + 1)
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=delimiter, lineterminator=newline).writerow(row)
        text += buffer.getvalue()
    content = b"\xef\xbb\xbf" * bom + text.encode()
    path = write(tmp_path, f"t{suffix}", gzip.compress(content) if suffix.lower().endswith("gz") else content)
    table = read_table(path)
    assert table.names == ["left", "right"]
    assert [tuple(row) for row in table.frame.to_numpy()] == rows
    assert table.lines.tolist() == lines[1:]
    assert table.text("left") == [left.strip() for left, _ in rows]
    assert table.place(len(rows) - 1) == f"{path}:{lines[-1]}"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet"])
def test_every_format_holds_the_same(tmp_path, suffix):
    frame = pd.DataFrame(
        {
            "word": ["a", "b,c", 'd"e', "NA"],
            "number": [1.5, -2e-3, 3e20, 4.0],
            "whole": [1, 2, 3, 4],
            "flag": [True, False, True, True],
            "day": pd.to_datetime(["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]),
        }
    )
    path = tmp_path / f"t{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        written = frame.astype({"flag": int})  # 0 and 1: True and False are no numbers in text
        written.to_csv(path, index=False, sep="," if "csv" in suffix else "\t")
    table = read_table(path)
    assert table.text("word") == frame["word"].tolist()
    assert table.text("whole") == ["1", "2", "3", "4"]
    assert table.numbers("number").tolist() == frame["number"].tolist()
    assert table.labels("flag").tolist() == [1, 0, 1, 1]
    assert read_times(table, "day").tolist() == frame["day"].tolist()
    row_1 = f"{path}:row 1" if suffix == ".parquet" else f"{path}:2"
    assert table.place(0) == row_1


def test_chunks_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr("unroll.data.readers.delimited.CHUNK_ROWS", 3)
    table = read_table(write(tmp_path, "t.csv", "x\n" + "".join(f"{i}\n" for i in range(10))))
    assert table.numbers("x").tolist() == list(range(10))
    assert table.lines.tolist() == list(range(2, 12))


def test_parquet_keeps_a_named_index_and_missing_values(tmp_path):
    frame = pd.DataFrame(
        {"x": pd.array([1, None], "Int64"), "y": [None, "b"]}, index=pd.Index([7, 8], name="time")
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert sorted(table.names) == ["time", "x", "y"]
    assert table.text("time") == ["7", "8"]
    np.testing.assert_array_equal(table.numbers("x"), [1, np.nan])
    with pytest.raises(InputError, match=r"t\.parquet:row 1: column 'y' is empty"):
        table.text("y")
    with pytest.raises(InputError, match=r"t\.parquet:row 2: '<NA>' in column 'x' is a missing.*; mend it"):
        table.numbers("x", missing="mend it")


def test_numbers_are_pythons_own(tmp_path):
    texts = ["1", "-2.5", "+3", ".5", "1e-3", "1E5", " 7 ", "000"]
    table = read_table(write(tmp_path, "t.csv", "x\n" + "\n".join(texts)))
    assert table.numbers("x").tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("text", ["1,5", "1_000", "0x10", "one", "1 2", "True", "١", "1d3", "12:30"])
def test_what_is_no_number(tmp_path, text):
    table = read_table(write(tmp_path, "t.tsv", f"x\n1\n\n{text}\n"))
    with pytest.raises(InputError, match=r"t\.tsv:4: '.+' in column 'x' is not a number"):
        table.numbers("x")


@pytest.mark.parametrize("text", ["", "NA", "nan", "NaN", "null", "None", "n/a"])
def test_what_is_a_missing_number(tmp_path, text):
    table = read_table(write(tmp_path, "t.csv", f"x,y\n1,2\n{text},3\n"))
    assert np.isnan(table.numbers("x")).tolist() == [False, True]
    with pytest.raises(InputError, match=r"t\.csv:3: '.*' in column 'x' is a missing value; fill it"):
        table.numbers("x", missing="fill it")


def test_quotes_are_literal_in_token_files_alone(tmp_path):
    path = write(tmp_path, "t.tsv", 'a "b\t"c"\nd\te\n')
    literal = read_table(path, header=False, literal=True)
    assert [tuple(row) for row in literal.frame.to_numpy()] == [('a "b', '"c"'), ("d", "e")]
    quoted = read_table(write(tmp_path, "t.csv", '"a, b",c\n'), header=False, literal=True)
    assert [tuple(row) for row in quoted.frame.to_numpy()] == [("a, b", "c")]


def test_long_cells_are_read(tmp_path):
    table = read_table(write(tmp_path, "t.tsv", f"x\n{'a' * 500_000}\n"))
    assert len(table.text("x")[0]) == 500_000


def test_rows_of_a_sequence_are_found_in_the_order_of_their_ids(tmp_path):
    text = "id,t,x\nb,1,10\na,5,20\nb,2,30\na,6,40\nc,1,50\n"
    groups, times = group_rows(read_table(write(tmp_path, "t.csv", text)), "id", "t")
    assert {name: rows.tolist() for name, rows in groups.items()} == {"b": [0, 2], "a": [1, 3], "c": [4]}
    assert list(groups) == ["b", "a", "c"]
    assert times.tolist() == [1, 5, 2, 6, 1]


@given(ids=st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_without_steps_an_id_must_not_come_back(tmp_path, ids):
    path = write(tmp_path, "t.csv", "id\n" + "\n".join(ids) + "\n")
    table = read_table(path)
    again = [i for i in range(1, len(ids)) if ids[i] != ids[i - 1] and ids[i] in ids[:i]]
    if not again:
        groups, _ = group_rows(table, "id", None)
        assert {name: rows.tolist() for name, rows in groups.items()} == {
            name: [i for i, other in enumerate(ids) if other == name] for name in ids
        }
        return
    row = again[0]
    before = max(i for i in range(row) if ids[i] == ids[row])
    with pytest.raises(InputError, match=rf"t\.csv:{row + 2}: '{ids[row]}' .* from .*t\.csv:{before + 2}"):
        group_rows(table, "id", None)


DAYS = pd.Series(pd.to_datetime(["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10"]))


@pytest.mark.parametrize(
    ("times", "following"),
    [
        (pd.Series([1.0, 2.0, 3.0]), ["4", "5", "6"]),
        (pd.Series([0.1, 0.2, 0.3]), ["0.4", "0.5", "0.6"]),
        (pd.Series([2020.0, 2022.0]), ["2024", "2026", "2028"]),
        (pd.Series([1.0, 2.0, 4.0]), ["5", "6", "7"]),  # 3 is missing
        (pd.Series([1.0, 2.0, 3.7]), ["+1", "+2", "+3"]),
        (pd.Series([1.0]), ["+1", "+2", "+3"]),
        (pd.Series(pd.to_datetime(["2024-02-27", "2024-02-28"])), ["2024-02-29", "2024-03-01", "2024-03-02"]),
        (
            pd.Series(pd.to_datetime(["2023-11-30", "2023-12-31", "2024-01-31"])),
            ["2024-02-29", "2024-03-31", "2024-04-30"],
        ),
        (DAYS, ["2024-01-11", "2024-01-12", "2024-01-15"]),  # working days
        (
            pd.Series(pd.to_datetime(["2024-01-01 22:00", "2024-01-01 23:00", "2024-01-02 00:00"])),
            ["2024-01-02 01:00:00", "2024-01-02 02:00:00", "2024-01-02 03:00:00"],
        ),
        (
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-09"])),  # six days are missing
            ["2024-01-10", "2024-01-11", "2024-01-12"],
        ),
        (
            pd.Series(pd.to_datetime(["2024-01-01 00:00", "2024-01-02 00:00", "2024-01-02 07:00"])),
            ["+1", "+2", "+3"],
        ),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, list) else "",
)
def test_times_are_carried_on(times, following):
    assert carry_on(times, 3) == following


def test_offsets_from_utc_are_heeded(tmp_path):
    """Clocks went forward at 01:00 UTC: local times leap, the hours do not."""
    text = "t\n2024-03-31T01:00:00+01:00\n2024-03-31T03:00:00+02:00\n2024-03-31T04:00:00+02:00\n"
    times = read_times(read_table(write(tmp_path, "t.csv", text)), "t")
    assert times.diff().dropna().tolist() == [pd.Timedelta(hours=1)] * 2
    assert carry_on(times, 1) == ["2024-03-31 03:00:00+00:00"]


@pytest.mark.parametrize(
    ("last", "frequency"), [("9999-12-30", "D"), ("9999-12-31 20:00", "h"), ("9998-01-01", "YS")]
)
def test_times_do_not_pass_the_last_year(last, frequency):
    times = pd.Series(pd.date_range(end=last, periods=4, freq=frequency, unit="us"))
    assert carry_on(times, 1)[0].startswith("9999-")
    assert carry_on(times, 9) == [f"+{step}" for step in range(1, 10)]
