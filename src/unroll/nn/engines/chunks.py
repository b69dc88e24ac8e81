"""Sequences as chunks of steps, over which everything but the state is computed at once."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
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


def decay_since(total: Float[Tensor, "batch heads chunks L 1"]) -> Float[Tensor, "batch heads chunks L L"]:
    """exp(G_t − G_s), by which what step s has written has decayed at step t; 0 where s comes after t.

    `total` is G, the sum of the logarithms of the decays from the start of the chunk.
    """
    steps = total.shape[-2]
    past = torch.ones(steps, steps, dtype=torch.bool, device=total.device).tril()
    return torch.exp((total - total.mT).masked_fill(~past, float("-inf")))
