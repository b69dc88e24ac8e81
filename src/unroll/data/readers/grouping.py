"""Groups the rows of a table into sequences."""

import numpy as np
import pandas as pd

from unroll.data.readers.table import Table
from unroll.data.readers.times import read_times, require_increasing
from unroll.errors import InputError


def group_rows(
    table: Table, id_column: str | None, time_column: str | None
) -> tuple[dict[str, np.ndarray], pd.Series | None]:
    """The rows of each sequence by its id, in the order in which ids appear; and the times of all rows.

    Without an id, all rows are one sequence, "". With times, rows of several sequences may be mixed, but the
    times of each sequence must increase. Without times, the order of the rows is the order of the steps, so
    the rows of a sequence must follow one another.

    Raises:
        InputError: times that do not increase, or an id that returns after others, by file and line.
    """
    times = None if time_column is None else read_times(table, time_column)
    if id_column is None:
        groups = {"": np.arange(len(table))}
    else:
        groups, codes = rows_by_id(table, id_column)
        if times is None:
            _require_whole(table, id_column, codes)
    if times is not None:
        assert time_column is not None
        for rows in groups.values():
            require_increasing(table, time_column, times, rows)
    return groups, times


def rows_by_id(table: Table, id_column: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The rows of each id, in the order in which ids appear; and of each row the number of its id (rows,).

    Raises:
        InputError: an empty id, by file and line.
    """
    codes, ids = pd.factorize(np.array(table.text(id_column), dtype=object))
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    return dict(zip(ids, parts, strict=True)), codes


def _require_whole(table: Table, id_column: str, codes: np.ndarray) -> None:
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    _, first = np.unique(codes[starts], return_index=True)
    again = np.setdiff1d(np.arange(len(starts)), first)
    if len(again):
        row = int(starts[again[0]])
        before = int(np.flatnonzero(codes[:row] == codes[row])[-1])
        raise InputError(
            f"{table.place(row)}: '{table.text(id_column)[row]}' in column '{id_column}' comes back, after "
            f"other rows, from {table.place(before)}; keep its rows together, or name a column that "
            "orders them (data.step or data.time)"
        )
