"""What kind of data a file holds, guessed from its columns."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from unroll.data.files.token_file import HEADINGS
from unroll.data.readers.table import MISSING, Table
from unroll.data.readers.table_file import read_table
from unroll.errors import InputError

TIME_NAMES = {
    "time",
    "date",
    "day",
    "timestamp",
    "datetime",
    "step",
    "hour",
    "week",
    "month",
    "year",
    "ds",
    "t",
}
ID_NAMES = {"id", "series", "sequence", "unit", "unique_id"}
TARGET_NAMES = {"target", "label", "class", "y", "value", "amount"}

MOST_CLASSES = 20
"""A column of whole numbers with more different values is not one of classes."""

MOST_NEW_WORDS = 0.25
"""Where more of all words are different ones, few of a new text are known, and its characters are read."""

FEWEST_SERIES_STEPS = 100
"""Longer sequences of numbers alone are taken for series to forecast."""

MOST_SERIES = 20
"""So few long sequences with dates are series, whatever else they hold: too few to learn a label from."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A name in conf/data, what the file seems to hold, and the keys to read it with."""

    data: str
    what: str
    keys: dict[str, str] = field(default_factory=dict)

    def overrides(self, path: Path) -> list[str]:
        """The words of a command that reads the file."""
        return [
            f"data={self.data}",
            f"data.path={path}",
            *(f"{key}={value}" for key, value in self.keys.items()),
        ]

    def command(self, path: Path) -> str:
        """The command that trains on the file."""
        return shlex.join(["python", "train.py", *self.overrides(path)])


def guess(path: Path) -> Guess:
    """Guess what a table or a file of texts holds.

    Raises:
        InputError: the file cannot be read, or holds nothing to learn from.
    """
    if path.suffix.lower() != ".parquet":
        rows = read_table(path, header=False, literal=True)
        if len(rows.names) == 2 and (texts := _texts(rows)):
            return texts
    return _table(read_table(path))


def _texts(rows: Table) -> Guess | None:
    """The guess for two columns of texts; None for columns of numbers below names."""
    left, right = (rows.frame[name].astype("str").str.strip() for name in rows.names)
    keys = {}
    if {left[0].lower(), right[0].lower()} <= HEADINGS:
        keys["data.header"] = "true"
        left, right = left[1:], right[1:]
    if _numeric(right[1:]) or len(left) < 2:
        return None
    words = [text.split() for text in left]
    others = [text.split() for text in right]
    longest = max(map(len, words))
    if _numeric(pd.Series([word for each in words for word in each], dtype="str")):
        return None if longest == 1 else Guess("context_tokens", "numbers and tokens", keys)
    known, tags = ({word for each in column for word in each} for column in (words, others))
    aligned = all(len(each) == len(other) for each, other in zip(words, others, strict=True))
    if aligned and longest > 1 and len(tags) < len(known) / 2:
        return Guess("token_tags", "texts with a tag for each token", keys)
    if right.nunique() <= max(2, len(right) / 5):
        return Guess("token_labels", "texts with a label", keys)
    if len(known) > sum(map(len, words)) * MOST_NEW_WORDS:
        keys |= {"data.characters": "true", "data.target_characters": "true"}
    return Guess("token_pairs", "pairs of texts", keys)


def _table(table: Table) -> Guess:
    frame, names = table.frame, table.names
    numeric = [name for name in names if _numeric(frame[name])]
    time = next((name for name in names if name.lower() in TIME_NAMES or _dates(frame[name])), None)
    texts = [name for name in names if name not in (*numeric, time)]
    candidates = [name for name in names if name.lower() in ID_NAMES or name.lower().endswith("_id")] + texts
    ids = [name for name in candidates if name != time and frame[name].nunique() <= len(frame) / 2]
    if ids:
        return _sequences(
            table, ids[0], time, [name for name in numeric if name not in (ids[0], time)], texts
        )
    values = [name for name in numeric if name != time]
    if not values:
        raise InputError(
            f"{table.path}: has no column of numbers, and not two of texts; see `unroll keys data`"
        )
    return _series(values, time, None)


def _series(
    values: list[str],
    time: str | None,
    id_column: str | None,
    names: list[str] | None = None,
    constant: list[str] | None = None,
) -> Guess:
    """Series of `values`, with further columns of names, and columns that are constant for an id."""
    target = next((name for name in values if name.lower() in TARGET_NAMES), values[-1])
    others = [name for name in [*values, *(names or [])] if name != target]
    keys = {"data.target": target}
    keys |= {"data.time": time} if time else {}
    keys |= {"data.id": id_column} if id_column else {}
    keys |= {"data.features": f"[{','.join(others)}]"} if others else {}
    keys |= {"data.static": f"[{','.join(constant)}]"} if constant else {}
    return Guess("series", "a time series, a row for each step", keys)


def _sequences(table: Table, id_column: str, time: str | None, numeric: list[str], texts: list[str]) -> Guess:
    groups = table.frame.groupby(id_column, sort=False)
    constant = [
        name for name in table.names if name not in (id_column, time) and (groups[name].nunique() <= 1).all()
    ]
    long = groups.size().median() >= FEWEST_SERIES_STEPS
    changing = [name for name in numeric if name not in constant]
    if long and changing and groups.ngroups <= MOST_SERIES and time and _dates(table.frame[time]):
        names = [name for name in texts if name not in (id_column, *constant)]
        return _series(changing, time, id_column, names, constant)
    keys = {} if id_column == "id" else {"data.id": id_column}
    keys |= {"data.step": time} if time else {}
    labels = [name for name in constant if name in texts or _few(table.frame[name])]
    if labels:
        chosen = next((name for name in labels if name.lower() in TARGET_NAMES), labels[-1])
        return Guess("sequences", "sequences with a label", {**keys, "data.target": chosen})
    if constant:
        return Guess("sequences_value", "sequences with a value", {**keys, "data.target": constant[-1]})
    steps = [name for name in texts if name != id_column]
    if steps:
        return Guess(
            "sequences_steps", "sequences with a label for each step", {**keys, "data.target": steps[-1]}
        )
    if not numeric:
        raise InputError(f"{table.path}: has no column of numbers beside {id_column}; see `unroll keys data`")
    if long:
        return _series(numeric, time, id_column)
    binary = all(set(pd.to_numeric(table.frame[name]).unique()) <= {0, 1} for name in numeric)
    return Guess("sequences_next_labels" if binary else "sequences_next", "sequences of numbers", keys)


def _numeric(column: pd.Series) -> bool:
    known = column[~column.astype("str").str.strip().str.lower().isin(MISSING)]
    return len(known) > 0 and bool(pd.to_numeric(known, errors="coerce").notna().all())


def _few(column: pd.Series) -> bool:
    values = pd.to_numeric(column)
    return bool((values == values.round()).all()) and values.nunique() <= MOST_CLASSES


def _dates(column: pd.Series) -> bool:
    if _numeric(column):
        return False
    return bool(
        pd.to_datetime(column.astype("str"), format="ISO8601", errors="coerce", utc=True).notna().all()
    )
