"""The scale of training data: models scale by it, and errors are compared with it."""

import numpy as np


def scale_of(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each column of (rows, columns); 1 as that of a constant one."""
    std = np.where(values.min(axis=0) == values.max(axis=0), 1.0, values.std(axis=0))
    return tuple(values.mean(axis=0).tolist()), tuple(std.tolist())


def naive_error(series: list[np.ndarray], season: int) -> tuple[float, ...]:
    """The mean absolute change of each column over a season, in all series together.

    Empty where a column never changes, since an error cannot be divided by 0.
    """
    changes = np.concatenate([np.abs(values[season:] - values[:-season]) for values in series])
    errors = changes.mean(axis=0)
    return tuple(errors.tolist()) if errors.all() else ()
