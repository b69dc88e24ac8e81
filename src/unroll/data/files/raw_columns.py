"""The columns of a table that values are read from: numbers, and names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unroll.data.files.series_config import SeriesColumnsConfig
from unroll.data.readers.table import MISSING, Table
from unroll.errors import InputError


@dataclass(frozen=True, slots=True)
class RawColumns:
    """The columns of a table that values are read from (rows, columns): numbers, NaN where they are missing.

    A name is the number of its place among the column's `names`.
    """

    values: np.ndarray
    names: Mapping[str, list[str]]


def categorical(table: Table, config: SeriesColumnsConfig) -> frozenset[str]:
    """The columns of names, not numbers. Targets are always numbers.

    A column of which at least half of the different values are numbers is one of numbers: others are slips.
    """
    columns = [name for name in config.inputs() if name not in config.columns("target")]
    return frozenset(name for name in columns if _holds_names(table, name))


def _holds_names(table: Table, name: str) -> bool:
    if pd.api.types.is_numeric_dtype(table.column(name)):
        return False
    different = pd.Series(table.cells(name).unique())
    different = different[~different.str.lower().isin(MISSING)]
    return bool(pd.to_numeric(different, errors="coerce").isna().mean() > 0.5)


def read_columns(table: Table, config: SeriesColumnsConfig, categories: frozenset[str]) -> RawColumns:
    """The columns that a config reads values from, in its order; those of `categories` hold names.

    Raises:
        InputError: a target is a column of names, or a cell of another column is not a number, by file and
            line.
    """
    values, names = [], {}
    for name in config.columns("target"):
        if _holds_names(table, name):
            raise InputError(
                f"data.target={name}: the column holds names, such as '{table.cells(name).iloc[0]}' in "
                f"{table.place(0)}, and a series is of numbers; columns of names can be data.features, "
                "data.known or data.static"
            )
    for name in config.inputs():
        if name in categories:
            codes, different = pd.factorize(table.cells(name).replace("", np.nan), sort=True)
            values.append(np.where(codes < 0, np.nan, codes))
            names[name] = [str(each) for each in different]
        else:
            values.append(table.numbers(name))
    return RawColumns(np.stack(values, axis=1), names)
