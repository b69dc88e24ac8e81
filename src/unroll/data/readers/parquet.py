"""Reads Parquet files."""

from pathlib import Path

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


def read_parquet(path: Path) -> Table:
    """The table in a Parquet file. An index with a name, as pandas writes it, is a column too.

    Raises:
        InputError: a file that has no rows, holds too much, or has columns of lists.
        pyarrow.ArrowException: a file that is broken.
    """
    schema = pq.read_schema(path)
    require_names(schema.names, str(path))
    rows = pq.read_metadata(path).num_rows
    if rows * len(schema) > MAX_CELLS:
        raise InputError(f"{path}: has {rows:,} rows, and is not read; give at most {MAX_CELLS:,} cells")
    for column in schema:
        _require_flat(path, column)
    frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    if frame.empty:
        raise InputError(f"{path}: has no rows; give a file that has some")
    return Table(path, frame, np.arange(1, len(frame) + 1))


def _require_flat(path: Path, column: pa.Field) -> None:
    """Raise an `InputError` where a column of a Parquet file holds lists, or more text than a file may."""
    if pa.types.is_nested(column.type):
        raise InputError(
            f"{path}: column '{column.name}' holds {column.type}, no single values; leave it out"
        )
    if pa.types.is_primitive(column.type):
        return
    cells = pq.read_table(path, columns=[column.name], read_dictionary=[column.name])[column.name]
    size = sum(  # the dictionary holds each different text once, and each row a place in it
        pc.sum(pc.binary_length(cell.dictionary).take(cell.indices)).as_py() or 0
        for cell in cells.chunks
        if pa.types.is_dictionary(cell.type)
    )
    if size > MAX_TEXT_BYTES:
        raise InputError(f"{path}: column '{column.name}' is text of {size:,} bytes; give less of it")
