"""A matrix that decays and is written to by outer products: linear attention with forgetting.

    S_t = exp(g_t) ⊙ S_{t-1} + k_t v_tᵀ,    o_t = S_tᵀ q_t

g_t ≤ 0 is the logarithm of the decay: one number for each head (Mamba-2, mLSTM, RetNet), or one for each of
the K rows of S (gated linear attention, HGRN-2). Where k_t, v_t and g_t are zero, S stays as it is: so is
padding.

Derivation of the parallel form. Let G_t = g_1 + … + g_t be the sum from the start of a chunk of L steps, and
S_0 the state before it. Unrolled,

    o_t = S_0ᵀ (exp(G_t) ⊙ q_t) + Σ_{s ≤ t} ⟨q_t, exp(G_t − G_s) ⊙ k_s⟩ v_s,
    S_L = exp(G_L) ⊙ S_0 + Σ_s (exp(G_L − G_s) ⊙ k_s) v_sᵀ.

All of it is matrix products over chunks at once, but for S_0, which goes from chunk to chunk. Every exponent
is a difference of sums and never positive, so that nothing overflows; exp(G_t) and exp(−G_s) apart would.

With a decay for each channel, exp(G_t − G_s) is no number to multiply ⟨q_t, k_s⟩ with: `channel_scores`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from unroll.nn.engines.channel_scores import channel_scores
from unroll.nn.engines.chunks import CHUNK, cut, decay_since, join
from unroll.nn.engines.precision import in_full_precision

Keys = Float[Tensor, "batch time heads key"]
MaybeSharedKeys = Float[Tensor, "batch time #heads key"]
"""Keys of each head, or, with a decay for the whole head, those that all heads share."""

Values = Float[Tensor, "batch time heads value"]
LogDecay = Float[Tensor, "batch time heads"] | Float[Tensor, "batch time heads key"]
Matrix = Float[Tensor, "batch heads key value"]

CHUNK_OF_CHANNELS = 32
"""Steps of a chunk with a decay for each channel: every doubling scales all queries and keys once more."""


@in_full_precision
def decay_loop(
    q: MaybeSharedKeys, k: MaybeSharedKeys, v: Values, log_decay: LogDecay, initial: Matrix
) -> tuple[Values, Matrix]:
    """The recurrence step by step, as it is written: all o_t, and the last S."""
    state, outputs = initial, []
    steps = (tensor.unbind(1) for tensor in (q, k, v, _rows(log_decay)))
    for q_t, k_t, v_t, g_t in zip(*steps, strict=True):
        state = torch.exp(g_t)[..., None] * state + k_t[..., None] * v_t[..., None, :]
        outputs.append(torch.einsum("bhk,bhkv->bhv", q_t, state))
    return torch.stack(outputs, dim=1), state


@in_full_precision
def decay_chunks(
    q: MaybeSharedKeys,
    k: MaybeSharedKeys,
    v: Values,
    log_decay: LogDecay,
    initial: Matrix,
    *,
    chunk: int | None = None,
) -> tuple[Values, Matrix]:
    """The same to rounding, in chunks of `chunk` steps: O(T·L) work in place of T steps one after another.

    With a decay for each channel, the chunk is the next power of two.
    """
    steps = q.shape[1]
    by_channel = log_decay.ndim == 4
    size = _power_of_two(steps, chunk or CHUNK_OF_CHANNELS) if by_channel else min(steps, chunk or CHUNK)
    q, k, v, g = (cut(tensor, size) for tensor in (q, k, v, _rows(log_decay)))
    total = g.cumsum(dim=-2)
    end = total[..., -1:, :]
    since, until = torch.exp(total), torch.exp(end - total)  # the start of the chunk, its end
    if by_channel:
        scores = channel_scores(q, k, total)
        q, k, written_values = since * q, until * k, v
    else:
        scores, written_values = (q @ k.mT) * decay_since(total), until * v
    # einsum reads keys that all heads share once, with the values of all heads side by side.
    written = torch.einsum("bhclk,bhclv->bhckv", k, written_values)
    befores, final = _carry(torch.exp(end).mT, written, initial)
    before = torch.einsum("bhclk,bhckv->bhclv", q, befores)
    return join(scores @ v + (before if by_channel else since * before), steps), final


def _power_of_two(steps: int, chunk: int) -> int:
    """The next power of two from `chunk`, or a smaller one that holds all steps."""
    size: int = 2 ** (chunk - 1).bit_length()
    while size // 2 >= steps:
        size //= 2
    return size


def _carry(
    decay: Float[Tensor, "batch heads chunks rows 1"],
    written: Float[Tensor, "batch heads chunks key value"],
    state: Matrix,
) -> tuple[Float[Tensor, "batch heads chunks key value"], Matrix]:
    """The state before each chunk, and the one after the last."""
    befores = []
    for d, w in zip(decay.unbind(2), written.unbind(2), strict=True):
        befores.append(state)
        state = d * state + w
    return torch.stack(befores, dim=2), state


def _rows(log_decay: LogDecay) -> Float[Tensor, "batch time heads rows"]:
    """With an axis for the rows of S, of which a decay of the whole head has one."""
    return log_decay if log_decay.ndim == 4 else log_decay[..., None]
