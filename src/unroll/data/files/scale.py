"""The scale of training data: models scale by it, and errors are compared with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from unroll.data.readers.narrowing import FINE, ROUNDING, Place, narrow
from unroll.errors import InputError

SMALLEST_SPREAD = 1e-30
"""Values that differ by less come too close to the smallest number in float32."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale of the columns of training data.

    Attributes:
        mean: the mean of each column.
        std: its standard deviation; 1 of a column that is constant.
        change: its usual change, by which precision is measured; infinite of a column that is constant.
        centered: whether values become float32 as differences from the mean.
    """

    mean: np.ndarray
    std: np.ndarray
    change: np.ndarray
    centered: bool

    @classmethod
    def of(cls, series: Sequence[np.ndarray], *, ordered: bool = True) -> "Scale":
        """The scale of series (time, columns). If they are `ordered`, rows follow one another in time.

        A usual change is the standard deviation, or the mean change from row to row if that is smaller.
        """
        values = np.concatenate(series)
        constant = values.min(axis=0) == values.max(axis=0)
        std = np.where(constant, 1.0, values.std(axis=0))
        change = std
        if ordered:
            changes = np.concatenate([np.abs(np.diff(each, axis=0)) for each in series])
            number = (changes > 0).sum(axis=0)  # a column may change seldom, or between series alone
            mean_change = changes.sum(axis=0) / np.maximum(number, 1)
            change = np.where(number > 0, np.minimum(std, mean_change), std)
        centered = bool((np.abs(values).max(axis=0) * ROUNDING > FINE * change).any())
        return cls(values.mean(axis=0), std, np.where(constant, np.inf, change), centered)

    def among(self, scaled: np.ndarray) -> "Scale":
        """The scale of more columns: these are the `scaled` ones, others have mean 0 and deviation 1."""
        mean, std, change = np.zeros(len(scaled)), np.ones(len(scaled)), np.full(len(scaled), np.inf)
        mean[scaled], std[scaled], change[scaled] = self.mean, self.std, self.change
        return Scale(mean, std, change, self.centered)

    def take(self, columns: np.ndarray) -> "Scale":
        """The scale of these columns, which may come more than once."""
        return Scale(self.mean[columns], self.std[columns], self.change[columns], self.centered)

    def spec_values(self, which: str, columns: int | None = None) -> dict[str, Any]:
        """The values for the spec of the data, `which` being "input" or "target": of the first `columns`."""
        return {
            f"{which}_mean": tuple(self.mean[:columns].tolist()),
            f"{which}_std": tuple(self.std[:columns].tolist()),
        }

    def narrow(
        self, values: np.ndarray, centered: bool, names: Sequence[str], place: Place
    ) -> Float[Tensor, "time features"]:
        """Values (rows, columns) as a model reads them. `place` gives the place of each row.

        Raises:
            InputError: float32 is too coarse for them, by place.
        """
        small = np.flatnonzero(self.change < SMALLEST_SPREAD)
        if len(small):
            raise InputError(
                f"{place(0)}: column '{names[small[0]]}' changes by {self.change[small[0]]:.1e} from row to "
                f"row, less than {SMALLEST_SPREAD}; write it in a smaller unit"
            )
        return narrow(values, self.mean if centered else None, self.change, names, place)


def own_naive_errors(parts: list[np.ndarray], season: int) -> tuple[float, ...]:
    """The mean absolute change over a season of each column of a series, from its parts (time, columns).

    NaN for a column that never changes, or is shorter than a season.
    """
    changes = np.concatenate([np.abs(values[season:] - values[:-season]) for values in parts])
    total = changes.sum(axis=0)
    return tuple(np.where(total > 0, total / max(1, len(changes)), np.nan).tolist())


def naive_error(series: list[np.ndarray], season: int) -> tuple[float, ...]:
    """The mean absolute change of each column over a season, in all series together.

    Empty where a column never changes, since an error cannot be divided by 0.
    """
    errors = own_naive_errors(series, season)
    return () if np.isnan(errors).any() else errors
