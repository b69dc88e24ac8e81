"""What training decides of the columns: their categories, and the cycles of the calendar."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from unroll.data.files.calendar import cycles_of
from unroll.data.files.columns import Columns
from unroll.data.files.series_config import Calendar, SeriesColumnsConfig
from unroll.data.files.whole_series import Whole
from unroll.data.readers.steps import Step
from unroll.errors import InputError

MOST_CATEGORIES = 100
"""More different names in a column are no categories to learn from one by one."""


def columns_of_training(
    config: SeriesColumnsConfig, training: Sequence[tuple[Whole, int]], step: Step | None, horizon: int
) -> tuple[Columns, list[str]]:
    """The columns of series, of which training sees the steps before a number; and the cycles that it is too
    short for.

    Raises:
        InputError: a column has too many categories, or two inputs would have one name.
    """
    categories = {
        column: _categories(column, number, training)
        for number, column in enumerate(config.inputs())
        if column in training[0][0].names
    }
    cycles, short = _cycles(training, step) if config.calendar is Calendar.auto else ([], [])
    columns = Columns(config.inputs(), config.columns("known"), categories, tuple(cycles), horizon)
    columns.require_distinct(str(training[0][0].table.path))
    return columns, short


def _categories(column: str, number: int, training: Sequence[tuple[Whole, int]]) -> tuple[str, ...]:
    found: set[str] = set()
    for whole, end in training:
        found |= {whole.names[column][int(code)] for code in np.unique(whole.values[:end, number])}
    if len(found) > MOST_CATEGORIES:
        raise InputError(
            f"{training[0][0].table.path}: column '{column}' holds {len(found):,} different names in "
            f"training, and at most {MOST_CATEGORIES} become inputs; leave it out, or name groups of them"
        )
    return tuple(sorted(found))


def _cycles(training: Sequence[tuple[Whole, int]], step: Step | None) -> tuple[list[str], list[str]]:
    """The cycles to read, and those that the longest series of training is too short for."""
    if step is None or step.about is None:
        return [], []
    lasts = pd.Timedelta(0)
    for whole, end in training:
        if whole.times is not None:
            lasts = max(lasts, whole.times.iloc[end - 1] - whole.times.iloc[0] + step.about)
    return cycles_of(step, lasts)
