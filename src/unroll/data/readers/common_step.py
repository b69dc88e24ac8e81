"""The one step that all series of a table have."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from unroll.data.readers.steps import LEAST_SHARE, Step, find_step
from unroll.data.readers.table import Table
from unroll.data.readers.times import as_text
from unroll.errors import InputError

SURE_ROWS = 10
"""A series of so many rows shows its step, even if some rows are missing."""


def common_step(
    table: Table, column: str, times: pd.Series, groups: Mapping[str, np.ndarray]
) -> tuple[Step | None, str]:
    """The step of the times in a column, given the rows of each series; or None, and why there is none.

    Raises:
        InputError: series have different steps, by file and line.
    """
    rows = list(groups.values())
    step = find_step(times, rows)
    known: dict[str, Step] = {}
    all_taken = [None] * len(rows) if step is None else step.taken(times, rows)
    for name, taken in zip(groups, all_taken, strict=True):
        if len(groups[name]) >= SURE_ROWS:
            common = taken is not None and (taken == 1).mean() >= LEAST_SHARE
            own = step if common else find_step(times, [groups[name]])
            known |= {name: own} if own else {}
    if len(set(known.values())) > 1:
        first, found = next(iter(known.items()))
        other = next(name for name in known if known[name] != found)
        raise InputError(
            f"{table.place(int(groups[other][0]))}: series '{other}' is {known[other].name} in column "
            f"'{column}', and series '{first}' {found.name} ({table.place(int(groups[first][0]))}); give "
            "each step a file of its own"
        )
    if step is not None:
        return step, ""
    apart = pd.Series(np.concatenate([times.iloc[each].diff().dropna().to_numpy() for each in rows]))
    if len(apart) == 0:
        return None, ""
    least, most = (str(value).removeprefix("0 days ") for value in (apart.min(), apart.max()))
    why = f"times in '{column}' have no step, they are {least} to {most} apart: each row is taken as one"
    return None, why


def require_step(
    table: Table, column: str, times: pd.Series, groups: Mapping[str, np.ndarray], step: Step
) -> list[np.ndarray]:
    """Steps from each row of a series to its next, (rows - 1,), all of which are whole numbers of `step`.

    Raises:
        InputError: one is not, by file and line.
    """
    if pd.api.types.is_numeric_dtype(times) != (step.number is not None):
        kind = "dates" if step.number is None else "numbers"
        raise InputError(
            f"{table.place(0)}: column '{column}' holds no {kind}, as it does in training; write {kind}"
        )
    all_taken = step.taken(times, list(groups.values()))
    for rows, taken in zip(groups.values(), all_taken, strict=True):
        if (taken < 1).any():
            wrong = int((taken < 1).argmax())
            before, row = int(rows[wrong]), int(rows[wrong + 1])
            earlier, later = as_text(times.iloc[[before, row]])
            raise InputError(
                f"{table.place(row)}: '{later}' in column '{column}' does not follow '{earlier}' "
                f"({table.place(before)}) by steps that are {step.name}, as in training; mend it"
            )
    return all_taken
