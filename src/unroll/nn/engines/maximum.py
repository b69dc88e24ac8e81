"""The largest of what decays and what comes: the stabiliser of exponential gates."""

import torch
from jaxtyping import Float
from torch import Tensor

from unroll.nn.engines.chunks import CHUNK, cut, join
from unroll.nn.engines.precision import in_full_precision

Gate = Float[Tensor, "batch time heads"]


@in_full_precision
def decayed_maximum(log_decay: Gate, new: Gate, initial: Float[Tensor, "batch heads"]) -> Gate:
    """m_t = max(g_t + m_{t-1}, i_t) for every t: the largest exponent that an exponentially gated sum holds.

    With G_t = g_1 + … + g_t from the start of a chunk, m_t = G_t + max(m_0, max_{s ≤ t} (i_s − G_s)): a
    running maximum over chunks at once. `new` and `initial` may be −∞.
    """
    steps = log_decay.shape[1]
    if steps == 1:  # without the running maximum, which ONNX does not have
        return torch.maximum(log_decay + initial[:, None], new)
    size = min(steps, CHUNK)
    total = cut(log_decay[..., None], size).cumsum(dim=-2)
    missing = -steps % size
    padded = torch.cat([new, new.new_full((new.shape[0], missing, new.shape[2]), -torch.inf)], dim=1)
    largest = torch.cummax(cut(padded[..., None], size) - total, dim=-2).values
    state, outputs = initial[..., None, None], []
    for chunk_total, chunk_largest in zip(total.unbind(2), largest.unbind(2), strict=True):
        outputs.append(chunk_total + torch.maximum(state, chunk_largest))
        state = outputs[-1][..., -1:, :]
    return join(torch.stack(outputs, dim=2), steps)[..., 0]
