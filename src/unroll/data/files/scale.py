"""The scale of training data: what a model scales by, and errors are held against."""

import numpy as np


def scale_of(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each column of (rows, columns); of a constant column 1, not 0."""
    std = np.where(values.min(axis=0) == values.max(axis=0), 1.0, values.std(axis=0))
    return tuple(values.mean(axis=0).tolist()), tuple(std.tolist())


def naive_error(series: list[np.ndarray], season: int) -> tuple[float, ...]:
    """The mean absolute change of each column over a season, in all series together.

    Empty where one never changes, since nothing can be measured in zeros.
    """
    changes = np.concatenate([np.abs(values[season:] - values[:-season]) for values in series])
    errors = changes.mean(axis=0)
    return tuple(errors.tolist()) if errors.all() else ()
