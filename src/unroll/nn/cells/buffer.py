"""A buffer of the last steps, as a part of a state."""

import torch
from jaxtyping import Int, Shaped
from torch import Tensor


def last_steps(
    steps: Shaped[Tensor, "batch ..."], number: int, lengths: Int[Tensor, " batch"] | None, dim: int
) -> Shaped[Tensor, "batch ..."]:
    """The buffer of `number` steps after new ones: each sequence's own last valid steps.

    `steps` has along `dim` the buffer as it was, oldest step first, and then the new steps, of which
    `lengths` are valid. Where these are fewer than `number`, the newest of the old buffer stay.
    """
    new = steps.shape[dim] - number
    if lengths is None:
        return steps.narrow(dim, new, number)
    index = lengths[:, None] + torch.arange(number, device=lengths.device)
    index = index.view(len(index), *(1,) * (dim - 1), number, *(1,) * (steps.ndim - dim - 1))
    return steps.gather(dim, index.expand(*steps.shape[:dim], number, *steps.shape[dim + 1 :]))
