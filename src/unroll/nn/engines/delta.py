"""A matrix from which a step takes what it holds under a key, before it writes: the gated delta rule.

    S_t = exp(g_t) (I − β_t k_t k_tᵀ) S_{t-1} + β_t k_t v_tᵀ,    o_t = S_tᵀ q_t

With keys of length 1, β_t = 1 replaces what stands under k_t by v_t, and β_t = 2 reflects S at the plane
normal to k_t: an eigenvalue of −1. g_t ≤ 0 is the logarithm of a decay (gated DeltaNet, Yang et al. 2024,
arXiv:2412.06464; DeltaNet has none). Where β_t and g_t are zero, S stays as it is: so is padding.

Derivation of the parallel form (Yang et al. 2024, arXiv:2406.06484). Let G_t = g_1 + … + g_t be the sum from
the start of a chunk, and S_0 the state before it. Every step adds one outer product, so

    S_t = exp(G_t) S_0 + Σ_{s ≤ t} exp(G_t − G_s) k_s u_sᵀ,    u_t = β_t (v_t − exp(g_t) S_{t-1}ᵀ k_t).

The u's of a chunk, put for S_{t-1} above, solve a triangular system with a unit diagonal:

    (I + A) U = diag(β) (V − diag(exp(G)) K S_0),    A_ts = β_t exp(G_t − G_s) ⟨k_t, k_s⟩ for s < t.

`solve_triangular` gives (I + A)⁻¹ of all chunks at once, and with it U as a function of S_0, which goes from
chunk to chunk. The inverse is safe: it stands for products of I − β_t k_t k_tᵀ, which lengthen nothing.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from unroll.nn.engines.chunks import cut, decay_since, join
from unroll.nn.engines.decay import Keys, Matrix, Values
from unroll.nn.engines.precision import in_full_precision

Gate = Float[Tensor, "batch time heads"]

CHUNK = 32
"""Steps: fewer than elsewhere, since the triangular system takes L³ operations a chunk."""


@in_full_precision
def delta_loop(
    q: Keys, k: Keys, v: Values, beta: Gate, log_decay: Gate, initial: Matrix
) -> tuple[Values, Matrix]:
    """The recurrence step by step, as it is written: all o_t, and the last S."""
    state, outputs = initial, []
    steps = (tensor.unbind(1) for tensor in (q, k, v, beta, log_decay))
    for q_t, k_t, v_t, beta_t, g_t in zip(*steps, strict=True):
        state = torch.exp(g_t)[..., None, None] * state
        held = torch.einsum("bhk,bhkv->bhv", k_t, state)
        change = beta_t[..., None] * (v_t - held)
        state = state + k_t[..., None] * change[..., None, :]
        outputs.append(torch.einsum("bhk,bhkv->bhv", q_t, state))
    return torch.stack(outputs, dim=1), state


@in_full_precision
def delta_chunks(
    q: Keys, k: Keys, v: Values, beta: Gate, log_decay: Gate, initial: Matrix, *, chunk: int = CHUNK
) -> tuple[Values, Matrix]:
    """The same to rounding, in chunks of `chunk` steps."""
    steps = q.shape[1]
    size = min(steps, chunk)
    q, k, v = (cut(tensor, size) for tensor in (q, k, v))
    beta, g = (cut(tensor[..., None], size) for tensor in (beta, log_decay))
    total = g.cumsum(dim=-2)
    decay = decay_since(total)
    system = (beta * (k @ k.mT) * decay).tril(-1)
    identity = torch.eye(size, dtype=q.dtype, device=q.device).expand_as(system)
    inverse = torch.linalg.solve_triangular(system, identity, upper=False, unitriangular=True) * beta.mT
    added, removed = inverse @ v, inverse @ (k * torch.exp(total))  # U = added − removed S_0
    end = total[..., -1:, :]
    late = (k * torch.exp(end - total)).mT
    state, befores, changes = initial, [], []
    parts = (tensor.unbind(2) for tensor in (added, removed, torch.exp(end), late))
    for added_n, removed_n, faded_n, late_n in zip(*parts, strict=True):
        befores.append(state)
        changes.append(added_n - removed_n @ state)
        state = faded_n * state + late_n @ changes[-1]
    scores = (q @ k.mT) * decay
    read = q * torch.exp(total)
    outputs = scores @ torch.stack(changes, dim=2) + read @ torch.stack(befores, dim=2)
    return join(outputs, steps), state
