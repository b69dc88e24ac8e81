"""Reads Parquet files.

A file may say anything of itself, and pandas would believe it. So the columns are converted here, one by one;
of what pandas has noted in the file only its index is used.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.data.readers.table import Table, require_names
from unroll.data.readers.text_file import MAX_TEXT_BYTES
from unroll.errors import InputError

MAX_CELLS = 2**27
"""A file of a thousand bytes can say that a value is repeated this often."""

PANDAS_TYPES = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype(),
}
"""The types of pandas that know which values are missing."""


def read_parquet(path: Path) -> Table:
    """The table in a Parquet file. An index with a name, as pandas writes it, is a column too.

    A column that holds no single values, such as one of lists, is an error where somebody asks for it.

    Raises:
        InputError: a file that is broken, has no rows, or holds too much.
    """
    try:
        return _read(path)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # pyarrow raises all kinds of errors
        if isinstance(error, OSError) and error.errno:
            raise
        raise InputError(
            f"{path}: is not a complete Parquet file ({_first_line(error)}); make the file anew"
        ) from error


def _read(path: Path) -> Table:
    schema = pq.read_schema(path)
    noted = _noted_index(schema)
    # pandas writes an index without a name under such a name.
    names = [name for name in schema.names if not re.fullmatch(r"__index_level_\d+__", name)]
    require_names(names, str(path))
    rows = pq.read_metadata(path).num_rows
    if rows * len(schema) > MAX_CELLS:
        raise InputError(f"{path}: has {rows:,} rows, and is not read; give at most {MAX_CELLS:,} cells")
    columns: dict[str, pd.Series] = {}
    faults: dict[str, str] = {}
    for name in sorted(names, key=lambda each: each not in noted):
        try:
            columns[name] = _values(path, schema.field(name))
        except (InputError, MemoryError):
            raise
        except Exception as error:  # the values are not of the type that the file names
            columns[name] = pd.Series([None] * rows, dtype="object")
            faults[name] = f"holds {schema.field(name).type}, {_first_line(error)}"
    if not rows or not columns:
        raise InputError(f"{path}: has no rows; give a file that has some")
    for index in noted:
        if isinstance(index, dict) and isinstance(index.get("name"), str) and index["name"] not in columns:
            columns = {index["name"]: _range(index, rows), **columns}
    return Table(path, pd.DataFrame(columns), np.arange(1, rows + 1), faults)


def _noted_index(schema: pa.Schema) -> list[Any]:
    """What pandas has noted of its index: the names of columns, or descriptions of ranges."""
    try:
        noted = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []
    return noted if isinstance(noted, list) else []


def _range(index: dict[str, Any], rows: int) -> pd.Series:
    start, step = index.get("start"), index.get("step")
    if not (isinstance(start, int) and isinstance(step, int) and max(abs(start), abs(step)) < 2**31):
        start, step = 0, 1
    return pd.Series(start + step * np.arange(rows), dtype="Int64")


def _values(path: Path, field: pa.Field) -> pd.Series:
    """The values of a column.

    Raises:
        InputError: more text than a file may hold.
        Exception: they are no single values, or not what the file says.
    """
    kind = field.type
    if pa.types.is_nested(kind):
        raise TypeError("no single values")
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name != "pandas.period":
        raise TypeError("which is no number, text or time")
    _require_bounded(path, field)
    column = pq.read_table(path, columns=[field.name])[field.name]
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_fixed_size_binary(column.type) and not pa.types.is_decimal(column.type):
        column = column.cast(pa.binary())
    if _is_text(column.type):
        column = column.cast(pa.string())
        column.validate(full=True)  # that the bytes are UTF-8
    values: pd.Series = column.to_pandas(types_mapper=PANDAS_TYPES.get)
    return values


def _is_text(kind: pa.DataType) -> bool:
    tests = (
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
    )
    return any(test(kind) for test in tests)


def _require_bounded(path: Path, column: pa.Field) -> None:
    """Raise an `InputError` where a column holds more text than a file may."""
    if pa.types.is_primitive(column.type) or isinstance(column.type, pa.BaseExtensionType):
        return
    cells = pq.read_table(path, columns=[column.name], read_dictionary=[column.name])[column.name]
    size = sum(  # the dictionary holds each different text once, and each row a place in it
        pc.sum(pc.binary_length(cell.dictionary).take(cell.indices)).as_py() or 0
        for cell in cells.chunks
        if pa.types.is_dictionary(cell.type)
    )
    if size > MAX_TEXT_BYTES:
        raise InputError(f"{path}: column '{column.name}' is text of {size:,} bytes; give less of it")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
