"""Reads the sequences of a table, so that one that cannot be read takes no other with it."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from unroll.data.prediction.inputs import PredictionInputs
from unroll.data.prediction.refused import Refused
from unroll.data.readers.grouping import group_rows, rows_by_id
from unroll.data.readers.table import Table
from unroll.data.readers.table_file import read_table
from unroll.errors import InputError

Read = Callable[[Table], PredictionInputs]


def read_apart(
    path: Path, read: Read, refused: Refused | None, *, id_column: str | None, ordered: bool
) -> PredictionInputs:
    """What `read` makes of all sequences of a file that it can read; others' faults are noted in `refused`.

    Where the whole cannot be read, its halves are tried, and theirs, down to single sequences. `ordered` says
    that a column orders the steps, so that the rows of several sequences may be mixed.

    Raises:
        InputError: there is nothing to note faults in, or no id; or the fault is one of the file: the first
            and the last sequence have the same one, or it does not show which sequence a row belongs to.
    """
    table = read_table(path, keep_torn=refused is not None)
    if refused is None or id_column is None:
        if table.torn:
            raise InputError(next(iter(table.torn.values())))
        return read(table)
    if not table.torn:
        try:
            return read(table)
        except InputError:
            pass  # whose fault it is, is found below
    table.require("id", (id_column,))
    torn = _torn(table, id_column)
    if not ordered:
        group_rows(table, id_column, None)
    groups, _ = rows_by_id(table, id_column)
    for name, fault in torn.items():
        del groups[name]
        refused.add(InputError(fault))
    _require_own_faults(table, read, groups)
    return _joined(_halves(table, read, refused, groups, list(groups)))


def _torn(table: Table, id_column: str) -> dict[str, str]:
    """What is wrong with the torn rows of sequences, by id.

    Raises:
        InputError: a row may have lost its id, so that another cell stands there: the rows beside it have
            another id, and either both the same, or the id is not the first cell.
    """
    ids = table.text(id_column)
    torn: dict[str, str] = {}
    for row, fault in table.torn.items():
        before, after = ids[row - 1] if row else None, ids[row + 1] if row + 1 < len(ids) else None
        if ids[row] not in (before, after) and (before == after or table.names[0] != id_column):
            raise InputError(fault)
        torn.setdefault(ids[row], fault)
    return torn


def _require_own_faults(table: Table, read: Read, groups: dict[str, np.ndarray]) -> None:
    """Raise the fault of the first and the last of several sequences, if it is the same."""
    if len(groups) < 2:
        return
    faults = []
    names = list(groups)
    for name in (names[0], names[-1]):
        try:
            read(table.take(groups[name]))
        except InputError as error:
            faults.append(error)
    if len(faults) == 2 and str(faults[0]) == str(faults[1]):
        raise faults[0]


def _halves(
    table: Table, read: Read, refused: Refused, groups: dict[str, np.ndarray], names: list[str]
) -> list[PredictionInputs]:
    """What can be read of these sequences, in their order, in parts."""
    if not names:
        return []
    rows = np.sort(np.concatenate([groups[name] for name in names]))
    try:
        return [read(table.take(rows))]
    except InputError as error:
        if len(names) == 1:
            refused.add(error)
            return []
    middle = len(names) // 2
    halves = (names[:middle], names[middle:])
    return [part for half in halves for part in _halves(table, read, refused, groups, half)]


def _joined(parts: list[PredictionInputs]) -> PredictionInputs:
    """The sequences of all parts as one."""
    if not parts:
        return PredictionInputs(samples=[])
    samples = [sample for part in parts for sample in part.samples]
    columns = {name: [cell for part in parts for cell in part.columns[name]] for name in parts[0].columns}
    return dataclasses.replace(
        parts[0],
        samples=[dataclasses.replace(sample, index=index) for index, sample in enumerate(samples)],
        columns=columns,
        steps=list(itertools.chain.from_iterable(part.steps for part in parts)),
        notes=list(dict.fromkeys(note for part in parts for note in part.notes)),
    )
