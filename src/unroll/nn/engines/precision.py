"""Engines compute in float32 or more: a sum over thousands of steps has no digits to give away."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

HALF = (torch.float16, torch.bfloat16)


def in_full_precision(engine: Callable[P, R]) -> Callable[P, R]:
    """An engine that widens tensors of half precision, and leaves autocast's matrix products aside."""

    @wraps(engine)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        wide = tuple(_wide(value) for value in args)
        device = next(value.device.type for value in args if isinstance(value, Tensor))
        # The meta device, where only shapes are computed, has no autocast.
        with nullcontext() if device == "meta" else torch.autocast(device, enabled=False):
            return engine(*wide, **kwargs)  # type: ignore[arg-type]  # the same values, wider

    return run


def _wide(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value
