"""From the outputs of every step to one vector a sequence."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unroll.batch import mask_from_lengths
from unroll.config.components import Pooling


def pool(
    outputs: Float[Tensor, "batch time hidden"],
    lengths: Int[Tensor, " batch"],
    pooling: Pooling,
    directions: int = 1,
) -> Float[Tensor, "batch hidden"]:
    """The last valid step, or the mean or maximum over the valid steps.

    Of two `directions`, whose outputs stand side by side, the backward one ends at the first step.
    """
    match pooling:
        case Pooling.last:
            return _last(outputs, lengths, directions)
        case Pooling.mean:
            mask = mask_from_lengths(lengths, outputs.shape[1])[..., None]
            return outputs.masked_fill(~mask, 0.0).sum(dim=1) / lengths[:, None]
        case Pooling.max:
            mask = mask_from_lengths(lengths, outputs.shape[1])[..., None]
            return outputs.masked_fill(~mask, float("-inf")).amax(dim=1)


def _last(
    outputs: Float[Tensor, "batch time hidden"], lengths: Int[Tensor, " batch"], directions: int
) -> Float[Tensor, "batch hidden"]:
    rows = torch.arange(outputs.shape[0], device=outputs.device)
    last = outputs[rows, lengths - 1]
    if directions == 1:
        return last
    half = outputs.shape[-1] // 2
    return torch.cat([last[:, :half], outputs[:, 0, half:]], dim=-1)
