"""Reads tables in text: CSV and TSV."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from unroll.data.readers.table import Table, require_names
from unroll.data.readers.text_file import read_text
from unroll.errors import InputError

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons"}
CHUNK_ROWS = 50_000
"""How many rows are held as Python strings at once."""

csv.field_size_limit(2**31 - 1)  # one cell may hold a long sequence of characters


def read_delimited(path: Path, *, header: bool, literal: bool, keep_torn: bool = False) -> Table:
    """The table in a text file. Each line is a row; blank lines are skipped.

    A byte-order mark and CRLF are accepted. With a `header` the first row names the columns; without it they
    are named "1", "2" …. In .csv a value in double quotes may hold commas and line breaks; in .tsv and .txt
    too unless `literal`. Rows with too few or too many values are an error; with `keep_torn` they are kept
    as the table's torn ones, empty at their end or cut off.

    pandas' own reader is not used: it fills short rows silently, takes a surplus column for an index, renames
    columns of the same name, and does not say which line a row stands on.

    Raises:
        InputError: a file that cannot be read, has no rows, or has rows of different lengths.
    """
    lines = io.StringIO(read_text(path), newline="")
    delimiter = "," if ".csv" in path.name.lower()[-7:] else "\t"
    if literal and delimiter == "\t":
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    return _table(path, _records(path, reader), delimiter, header=header, keep_torn=keep_torn)


def _records(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line on which it begins."""
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


def _table(
    path: Path, records: Iterator[tuple[int, list[str]]], delimiter: str, *, header: bool, keep_torn: bool
) -> Table:
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
    torn: dict[int, str] = {}
    for line, record in records:
        if len(record) != len(names):
            hint = (
                f"a value that holds '{delimiter}' stands in double quotes" if delimiter == "," else "mend it"
            )
            fault = (
                f"{path}:{line}: {_count(len(record), 'value')}, where line {first_line} has {len(names)} "
                f"(separated by {DELIMITERS[delimiter]}); {hint}"
            )
            if not keep_torn:
                raise InputError(fault)
            torn[len(lines)] = fault
            record = [*record, *[""] * len(names)][: len(names)]
        rows.append(record)
        lines.append(line)
        if len(rows) == CHUNK_ROWS:
            chunks.append(pd.DataFrame(rows, columns=names, dtype="str"))
            rows = []
    if not lines:
        raise InputError(f"{path}: has a header and no rows; give a file that has some")
    chunks.append(pd.DataFrame(rows, columns=names, dtype="str"))
    return Table(path, pd.concat(chunks, ignore_index=True), np.array(lines), torn=torn)


def _require_header(names: list[str], place: str, delimiter: str) -> None:
    for other, word in DELIMITERS.items():
        if len(names) == 1 and other != delimiter and other in names[0]:
            raise InputError(
                f"{place}: values seem to be separated by {word}, where the file's suffix promises "
                f"{DELIMITERS[delimiter]}; give it the suffix of its format, or save it with commas as .csv"
            )
    require_names(names, place)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
