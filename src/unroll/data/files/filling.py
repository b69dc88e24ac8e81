"""Fills what is missing in a series, and counts it."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from unroll.data.files.series_config import MissingValue


def filled(values: np.ndarray, names: np.ndarray, how: MissingValue) -> np.ndarray:
    """Values (steps, columns) without NaN, where there is something to fill it with.

    Columns of `names` repeat the previous one, whatever else says `how`.
    """
    if values.shape[1] == 0 or how is MissingValue.error:
        return values
    frame = pd.DataFrame(values)
    repeated = frame.ffill()
    numbers = repeated
    if how is MissingValue.zero:
        numbers = frame.fillna(0.0)
    elif how is MissingValue.interpolate:
        numbers = frame.interpolate(limit_direction="forward")
    return np.where(names, repeated.to_numpy(), numbers.to_numpy())


@dataclass(slots=True)
class Filled:
    """What was filled: of each kind how many, and where the first one is.

    Attributes:
        values: how many values, those of missing rows included.
    """

    values: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, count: int, place: str) -> None:
        """Count some more of a kind, of which the first one is at a place."""
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count
            self.first.setdefault(kind, place)

    def told(self) -> str:
        """What was filled, of each kind how many and where first; empty if nothing was."""
        return ", ".join(
            f"{count:,} {kind} (the first {self.first[kind]})" for kind, count in self.counts.items()
        )
