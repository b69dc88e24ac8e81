"""The scores of queries and keys whose channels decay: the products within a chunk of `decay`.

    s_ts = Σ_c q_tc exp(G_tc − G_sc) k_sc for s ≤ t, and 0 elsewhere

exp(G_t − G_s) is no number to multiply ⟨q_t, k_s⟩ with, and exp(−G_s) alone would overflow. But every two
steps s < t have one block of 2, 4, 8 … steps with s in its first half and t in its second. With M, the
sum up to the end of the first half, the exponents of exp(G_t − M) ⊙ q_t and exp(M − G_s) ⊙ k_s are never
positive, and their products are the scores. So each size of block takes one product of matrices.

The gradients are sums of the same kind. With D, that of the scores,

    dq_t = Σ_{s ≤ t} D_ts exp(G_t − G_s) ⊙ k_s,    dk_s = Σ_{t ≥ s} D_ts exp(G_t − G_s) ⊙ q_t,
    dG_t = q_t ⊙ dq_t − k_t ⊙ dk_t,

as G_t stands beside q_t with a plus and beside k_t with a minus. So only q, k and G are kept for them.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unroll.nn.engines.mapped import mapped_first

Steps = Float[Tensor, "*batch L key"]
Scores = Float[Tensor, "*batch L L"]
Half = Float[Tensor, "*batch blocks half key"]


def channel_scores(q: Steps, k: Steps, total: Steps) -> Scores:
    """The scores of chunks of L steps, a power of two; `total` is G, the sum of the logarithms of decays."""
    scores: Tensor = _ChannelScores.apply(q, k, total)  # type: ignore[no-untyped-call]
    return scores


class _ChannelScores(torch.autograd.Function):
    @staticmethod
    def forward(q: Tensor, k: Tensor, total: Tensor) -> Tensor:
        scores = torch.diag_embed((q * k).sum(-1))
        for half, late, early in _halves(total):
            _across(scores, half).copy_((late * _second(q, half)) @ (early * _first(k, half)).mT)
        return scores

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, total = ctx.saved_tensors
        own = grad.diagonal(dim1=-2, dim2=-1)[..., None]
        grad_q, grad_k = own * k, own * q
        for half, late, early in _halves(total):
            across = _across(grad, half)
            _second(grad_q, half).add_(late * (across @ (early * _first(k, half))))
            _first(grad_k, half).add_(early * (across.mT @ (late * _second(q, half))))
        return grad_q, grad_k, q * grad_q - k * grad_k

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Tensor, int]:
        """What is mapped over is one more batch."""
        return channel_scores(*mapped_first(info.batch_size, in_dims, tensors)), 0


def _halves(total: Steps) -> Iterator[tuple[int, Half, Half]]:
    """For each size of block: half of it, exp(G_t − M) of its second half and exp(M − G_s) of its first."""
    half = 1
    while half < total.shape[-2]:
        first, second = _first(total, half), _second(total, half)
        middle = first[..., -1:, :]
        yield half, (second - middle).exp_(), (middle - first).exp_()
        half *= 2


def _first(x: Steps, half: int) -> Half:
    return _blocks(x, half)[..., :half, :]


def _second(x: Steps, half: int) -> Half:
    return _blocks(x, half)[..., half:, :]


def _blocks(x: Steps, half: int) -> Float[Tensor, "*batch blocks both key"]:
    return x.view(*x.shape[:-2], -1, 2 * half, x.shape[-1])


def _across(scores: Scores, half: int) -> Float[Tensor, "*batch blocks half half"]:
    """Of each block on the diagonal the scores of its second half with its first."""
    blocks = scores.view(*scores.shape[:-2], -1, 2 * half, scores.shape[-1] // (2 * half), 2 * half)
    return blocks.diagonal(dim1=-4, dim2=-2).movedim(-1, -3)[..., half:, :half]
