"""From the float64 of a file to the float32 of a model, of which a number in millions has one digit after the
point. So values far from zero become float32 as differences from their mean."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unroll.errors import InputError
from unroll.spec import DataSpec

ROUNDING = float(np.finfo(np.float32).eps)
FILE_ROUNDING = float(np.finfo(np.float64).eps)
"""Neighbours in float32, and in the float64 of a file, differ by at most this share of a number."""

FINE = 2**-10
"""The mean is subtracted where neighbours in float32 differ by more than this share of a usual change."""

COARSE = 2**-4
"""Data are refused where they still differ by more than this share."""

Place = Callable[[int], str]


def narrow_inputs(values: np.ndarray, spec: DataSpec, place: Place) -> Float[Tensor, "time features"]:
    """Values (rows, columns) to predict for, as the model of these data reads them.

    Raises:
        InputError: float32 is too coarse for them, by place.
    """
    if not spec.input_mean:
        return torch.from_numpy(values.astype(np.float32))
    mean = np.array(spec.input_mean) if spec.centered else None
    names = spec.input_names or [str(number + 1) for number in range(spec.input_size)]
    return narrow(values, mean, np.array(spec.input_std), names, place)


def narrow(
    values: np.ndarray, mean: np.ndarray | None, change: np.ndarray, names: Sequence[str], place: Place
) -> Float[Tensor, "time features"]:
    """Values (rows, columns), or their differences from a mean, in float32. `change` is their usual change.

    Raises:
        InputError: float32 is too coarse for them, by place.
    """
    narrowed = values if mean is None else values - mean
    coarse = np.abs(narrowed) * ROUNDING > COARSE * change
    coarse |= np.abs(values) * FILE_ROUNDING > FINE * change
    if coarse.any():
        row, column = (int(index) for index in np.argwhere(coarse)[0])
        raise InputError(
            f"{place(row)}: {values[row, column]:.15g} in column '{names[column]}' is too far from the "
            f"others, or from zero, where a usual change is {change[column]:.3g}; learn from differences, "
            "or from series of one size alone"
        )
    return torch.from_numpy(narrowed.astype(np.float32))
