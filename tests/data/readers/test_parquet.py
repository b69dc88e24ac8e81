"""Parquet files of every type, and files that say of themselves what is not so."""

import datetime
import decimal
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import require_one_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unroll.data.readers.table_file import read_table
from unroll.data.readers.times import read_times
from unroll.errors import InputError

LIMITS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=3) | st.just("x"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "kind", "start", "step", "x"]), inner, max_size=4)
    ),
    max_leaves=6,
)
NOTES = (
    st.binary(max_size=20)
    | st.builds(
        lambda index, columns: json.dumps({"index_columns": index, "columns": columns}).encode(), JSON, JSON
    )
    | st.builds(lambda anything: json.dumps(anything).encode(), JSON)
)

COLUMNS = [
    pa.array([1, 2]),
    pa.array([1.5, None]),
    pa.array([2**63, 2**64 - 1], pa.uint64()),
    pa.array([1.5, 2.5], pa.float16()),
    pa.array([True, None]),
    pa.array(["a", "é"]),
    pa.array(["a", "b"], pa.large_string()),
    pa.array(["a", "b"], pa.string_view()),
    pa.array(["a", "b"]).dictionary_encode(),
    pa.array([1, 2]).dictionary_encode(),
    pa.array([b"a", b"b"]),
    pa.array([b"a", b"\xff"]),
    pa.array([b"ab", b"\xff\xfe"], pa.binary(2)),
    pa.array([b"\xff", b"b"], pa.large_binary()),
    pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")),
    pa.array([decimal.Decimal("1.50"), None]),
    pa.array([datetime.date(2024, 1, 1), None]),
    pa.array([2**30, 1], pa.date32()),
    pa.array([2**62, 1], pa.timestamp("us")),
    pa.array([1, 2], pa.timestamp("us", tz="Nowhere/City")),
    pa.array([1, 2], pa.timestamp("us", tz="Europe/Berlin")),
    pa.array([1, 2], pa.duration("ms")),
    pa.array([1, 2], pa.time32("s")),
    pa.nulls(2),
    pa.array([[1], [2]]),
    pa.array([{"a": 1}, None]),
    pa.array([b"1" * 16, b"2" * 16], pa.uuid()),
    pa.array(["1", "{"], pa.json_()),
    pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1], pa.int8())),
    pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int32(), [1]), pa.array([[1], [2]], pa.list_(pa.int32(), 1))
    ),
    pa.array(pd.period_range("2024", periods=2, freq="M")),
]


def require_read_or_told(path):
    """A table whose every column can be asked for, or one line."""
    try:
        read = read_table(path)
    except InputError as error:
        require_one_line(error, f"{path}")
        return
    for name in read.names:
        ask(read, name)


def ask(table, name):
    """Read a column in every way."""
    for read in (
        lambda: table.require("target", [name]),
        lambda: table.text(name),
        lambda: table.numbers(name),
        lambda: table.labels(name),
        lambda: read_times(table, name),
    ):
        try:
            read()
        except InputError as error:
            require_one_line(error, f"{table.path}")


@LIMITS
@given(
    columns=st.lists(st.sampled_from(range(len(COLUMNS))), min_size=1, max_size=3), notes=st.none() | NOTES
)
def test_any_file_is_read_or_told(tmp_path, columns, notes):
    """The property: a value, or one line, whatever the types and what pandas may have noted."""
    names = ["x", "__index_level_0__", "a.b"][: len(columns)]
    table = pa.table([COLUMNS[number] for number in columns], names=names)
    if notes is not None:
        table = table.replace_schema_metadata({b"pandas": notes})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    require_read_or_told(path)


@LIMITS
@given(at=st.floats(0, 1), change=st.binary(min_size=1, max_size=8))
def test_any_damage_is_told(tmp_path, at, change):
    """Some damage is none that can be seen: then there is a table."""
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"id": ["a", "b"], "x": [1.0, 2.0], "t": pd.date_range("2024", periods=2)})
    frame.to_parquet(path)
    content = path.read_bytes()
    start = int(at * len(content))
    path.write_bytes(content[:start] + change + content[start + len(change) :])
    require_read_or_told(path)


def test_a_column_that_nobody_asks_for_does_no_harm(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": [1, 2], "shape": [b"\xff", b"\xfe"], "list": [[1], [2]]}), path)
    table = read_table(path)
    assert table.numbers("x").tolist() == [1, 2]
    with pytest.raises(InputError, match=r"column 'list' holds list<.*>, no single values; leave it out"):
        table.require("features", ["list"])
    with pytest.raises(InputError, match=r"column 'shape' holds binary, .*; leave it out"):
        table.text("shape")


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (pd.Index([7, 8], name="time"), ["time", "x", "y"]),
        (pd.RangeIndex(5, 9, 2, name="t"), ["t", "x", "y"]),
        (pd.Index([7, 8]), ["x", "y"]),
        (pd.RangeIndex(2), ["x", "y"]),
        (pd.MultiIndex.from_tuples([(1, 2), (3, 4)], names=["a", "b"]), ["a", "b", "x", "y"]),
    ],
    ids=str,
)
def test_the_index_of_pandas_comes_first(tmp_path, index, names):
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"x": [1, 2], "y": [3, 4]}, index=index)
    frame.to_parquet(path)
    table = read_table(path)
    assert table.names == names
    for name in names[:-2]:
        assert table.numbers(name).tolist() == frame.reset_index()[name].tolist()
