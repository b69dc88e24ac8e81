"""Sequences as chunks of steps, over which everything but the state is computed at once."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

CHUNK = 64
"""Steps: large enough for matrix products, small enough for the L × L scores within a chunk."""


def cut(x: Float[Tensor, "batch time heads size"], steps: int) -> Float[Tensor, "batch heads chunks L size"]:
    """Chunks of so many steps; zeros fill the last one."""
    batch, time, heads, size = x.shape
    x = F.pad(x, (0, 0, 0, 0, 0, -time % steps)).transpose(1, 2)
    return x.reshape(batch, heads, -1, steps, size)


def join(x: Float[Tensor, "batch heads chunks L size"], time: int) -> Float[Tensor, "batch time heads size"]:
    """The first `time` steps of chunks."""
    return x.flatten(2, 3).transpose(1, 2)[:, :time]


def up_to_now(steps: int, like: Tensor) -> Bool[Tensor, "L L"]:
    """True where the step of a column is not after that of a row, on the device of `like`."""
    return torch.ones(steps, steps, dtype=torch.bool, device=like.device).tril()
