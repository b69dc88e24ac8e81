"""A table whose rows are the steps of sequences."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unroll.data.readers.grouping import group_rows
from unroll.data.readers.table import Table
from unroll.errors import InputError
from unroll.spec import Alignment, Kind, Signature


@dataclass(frozen=True, slots=True)
class SequenceTable:
    """The features (rows, I) and targets of all rows, and the rows of each sequence by its id.

    `targets` are the names of classes (rows,) or numbers (rows, O); None where no targets are read.
    """

    table: Table
    features: np.ndarray
    targets: np.ndarray | None
    groups: dict[str, np.ndarray]

    @classmethod
    def read(
        cls,
        table: Table,
        signature: Signature,
        *,
        id_column: str,
        step: str | None,
        features: tuple[str, ...],
        targets: tuple[str, ...],
    ) -> "SequenceTable":
        """The sequences of a table, from its checked columns.

        Raises:
            InputError: a missing column, or what is wrong with a cell, by file and line.
        """
        for key, names in (
            ("id", (id_column,)),
            ("step", () if step is None else (step,)),
            ("features", features),
            ("target", targets),
        ):
            table.require(key, names)
        groups, _ = group_rows(table, id_column, step)
        by_step = signature.alignment is Alignment.STEP
        columns = _columns(table, features, labels=by_step and signature.targets is Kind.LABELS)
        sequences = cls(table, columns, _targets(table, targets, signature.targets), groups)
        if not by_step:
            sequences._require_constant(targets)
        return sequences

    def place_in(self, rows: np.ndarray) -> Callable[[int], str]:
        """The place of each step of a sequence with these rows."""
        return lambda step: self.table.place(int(rows[step]))

    def require_lengths(self, shortest: int, longest: int | None) -> None:
        """Raise an `InputError` if a sequence has fewer or more steps."""
        for name, rows in self.groups.items():
            place = self.table.place(int(rows[0]))
            if len(rows) < shortest:
                raise InputError(
                    f"{place}: sequence '{name}' has too few steps, {len(rows)}, to learn the next from; "
                    "leave it out"
                )
            if longest is not None and len(rows) > longest:
                raise InputError(
                    f"{place}: sequence '{name}' has {len(rows)} steps, more than data.max_length={longest}; "
                    "cut it, or allow more"
                )

    def _require_constant(self, columns: tuple[str, ...]) -> None:
        """Raise an `InputError`, naming both lines, where a target changes within a sequence."""
        if self.targets is None:
            return
        for name, rows in self.groups.items():
            targets = self.targets[rows].reshape(len(rows), -1)
            differs = targets != targets[0]
            if differs.any():
                step, column = (int(i) for i in np.argwhere(differs)[0])
                place, first = (self.table.place(int(rows[i])) for i in (step, 0))
                here, before = targets[step, column], targets[0, column]
                raise InputError(
                    f"{place}: sequence '{name}' has '{here}' in column '{columns[column]}', but '{before}' "
                    f"in {first}; give it one, or choose a data.task that has one for each step"
                )


def _columns(table: Table, names: tuple[str, ...], *, labels: bool) -> np.ndarray:
    missing = "write a number there, or leave the row out"
    columns = [table.labels(name) if labels else table.numbers(name, missing=missing) for name in names]
    return np.stack(columns, axis=1)


def _targets(table: Table, names: tuple[str, ...], kind: Kind) -> np.ndarray | None:
    if not names:
        return None
    if kind is Kind.CLASSES:
        return np.array(table.text(names[0]), dtype=object)
    return _columns(table, names, labels=kind is Kind.LABELS)
