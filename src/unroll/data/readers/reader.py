"""Reads CSV, TSV and Parquet files, plain or gzip, and checks them as they are read."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from unroll.data.readers.files import FilesConfig
from unroll.data.readers.table import Table
from unroll.data.readers.text_file import MOST_BYTES, read_text
from unroll.errors import InputError, reason

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons"}
CHUNK = 50_000  # rows that are held as Python strings at once
MOST_COLUMNS = 10_000
MOST_CELLS = 2**27
"""Of a Parquet file, of which a thousand bytes can say that a value is repeated so often."""

csv.field_size_limit(2**31 - 1)  # a long sequence of characters may stand in one cell


def read_table(path: Path, *, header: bool = True, literal: bool = False) -> Table:
    """The table in a file, in the format that its suffix says.

    Of text, each line is a row; blank lines are none. A byte-order mark and CRLF are accepted. The first row
    names the columns if there is a `header`; else they are called "1", "2" …. In .csv a value may stand in
    double quotes, and then hold commas and line breaks; in .tsv and .txt too unless `literal`.

    pandas' own reader is not used for text: it fills short rows silently, takes a surplus column for an
    index, renames columns of the same name, and does not say which line a row stands on.

    Raises:
        InputError: a file that cannot be read, has no rows, or whose rows differ in length.
    """
    FilesConfig.require_file(path, str(path))
    try:
        if path.suffix.lower() == ".parquet":
            return _read_parquet(path)
        text = read_text(path)
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into the memory ({error}); give less of it") from error
    except pa.ArrowException as error:
        raise InputError(f"{path}: is no whole Parquet file ({error}); make the file anew") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    delimiter = "," if ".csv" in path.name.lower()[-7:] else "\t"
    lines = io.StringIO(text, newline="")
    if literal and delimiter == "\t":
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    return _table(path, _records(path, reader), delimiter, header)


def _read_parquet(path: Path) -> Table:
    """A Parquet file; what pandas wrote as an index that has a name is a column."""
    schema = pq.read_schema(path)
    _require_names(schema.names, str(path))
    rows = pq.read_metadata(path).num_rows
    if rows * len(schema) > MOST_CELLS:
        raise InputError(f"{path}: has {rows:,} rows, and is not read; give at most {MOST_CELLS:,} cells")
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
    size = sum(  # each different text stands there once, and the rows say which
        pc.sum(pc.binary_length(cell.dictionary).take(cell.indices)).as_py() or 0
        for cell in cells.chunks
        if pa.types.is_dictionary(cell.type)
    )
    if size > MOST_BYTES:
        raise InputError(f"{path}: column '{column.name}' is text of {size:,} bytes; give less of it")


def _records(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line it begins on."""
    line = 1
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise InputError(
                f"{path}:{line}: double quotes do not match in the row that begins here ({error}); "
                "close them, or write them twice within a value"
            ) from error
        if record is None:
            return
        if len(record) > 1 or (record and record[0].strip()):
            yield line, record
        line = reader.line_num + 1  # type: ignore[attr-defined]  # csv.reader has it


def _table(path: Path, records: Iterator[tuple[int, list[str]]], delimiter: str, header: bool) -> Table:
    first_line, first = next(records)
    names = [name.strip() for name in first]
    if header:
        _require_header(names, f"{path}:{first_line}", delimiter)
        rows = []
        lines = []
    else:
        names = [str(number) for number in range(1, len(first) + 1)]
        rows = [first]
        lines = [first_line]
    chunks = []
    for line, record in records:
        if len(record) != len(names):
            hint = (
                f"a value that holds '{delimiter}' stands in double quotes" if delimiter == "," else "mend it"
            )
            raise InputError(
                f"{path}:{line}: {_count(len(record), 'value')}, where line {first_line} has {len(names)} "
                f"(separated by {DELIMITERS[delimiter]}); {hint}"
            )
        rows.append(record)
        lines.append(line)
        if len(rows) == CHUNK:
            chunks.append(pd.DataFrame(rows, columns=names, dtype="str"))
            rows = []
    if not lines:
        raise InputError(f"{path}: has a header and no rows; give a file that has some")
    chunks.append(pd.DataFrame(rows, columns=names, dtype="str"))
    return Table(path, pd.concat(chunks, ignore_index=True), np.array(lines))


def _require_header(names: list[str], place: str, delimiter: str) -> None:
    for other, word in DELIMITERS.items():
        if len(names) == 1 and other != delimiter and other in names[0]:
            raise InputError(
                f"{place}: values seem to be separated by {word}, where the file's suffix promises "
                f"{DELIMITERS[delimiter]}; give it the suffix of its format, or save it with commas as .csv"
            )
    _require_names(names, place)


def _require_names(names: list[str], place: str) -> None:
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{place}: {len(names):,} columns; give at most {MOST_COLUMNS:,}")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise InputError(
                f"{place}: column {number} has no name; name it, or leave it out (pandas: index=False)"
            )
        if name in seen:
            raise InputError(
                f"{place}: two columns are called '{name}'; the first line gives each a name of its own"
            )
        seen.add(name)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
