"""A linear recurrence over time, computed in parallel."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

Steps = Float[Tensor, "batch time hidden"]


def linear_scan(decay: Steps, inputs: Steps, initial: Float[Tensor, "batch hidden"]) -> Steps:
    """h_t = decay_t ⊙ h_{t-1} + inputs_t for every t, with h_{-1} = `initial`.

    O(log T) depth, O(T) work and memory, forward and backward. It is computed in linear space, by joining
    neighbours (a, b), (a′, b′) → (a′a, a′b + b′): for decays in [0, 1] every factor stays there, and nothing
    is ever divided by, so that it is as exact as a loop over the steps, for values of either sign. The usual
    log-space formula (Heinsen 2023, arXiv:2311.06281) needs positive values and takes differences of
    cumulative sums: these reach thousands at T = 4096, where float32 was off by 3e-3 in outputs, and in the
    gradients of decays by more than their size. torch's own `associative_scan` is a prototype (2.13): on a
    CPU it takes more than twice as long, and keeps every level for the gradient.
    """
    return _LinearScan.apply(decay, inputs, initial)  # type: ignore[no-any-return, no-untyped-call]


class _LinearScan(torch.autograd.Function):
    """The gradient of a linear recurrence is one too, backwards in time: only decay and h are kept for it."""

    @staticmethod
    def forward(ctx: FunctionCtx, decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
        outputs = torch.empty_like(inputs)
        _odd_even(decay, inputs, initial, outputs)
        ctx.save_for_backward(decay, outputs, initial)
        return outputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, outputs, initial = ctx.saved_tensors
        following = torch.cat([decay[:, 1:], torch.zeros_like(decay[:, :1])], dim=1)
        backwards = linear_scan(following.flip(1), grad.flip(1), torch.zeros_like(initial))
        grad_inputs = backwards.flip(1)
        previous = torch.cat([initial[:, None], outputs[:, :-1]], dim=1)
        return grad_inputs * previous, grad_inputs, grad_inputs[:, 0] * decay[:, 0]


def _odd_even(decay: Steps, inputs: Steps, initial: Float[Tensor, "batch hidden"], outputs: Steps) -> None:
    """Pairs of steps make a recurrence of half the length; it gives the odd steps, and they the even ones."""
    torch.addcmul(inputs[:, 0], decay[:, 0], initial, out=outputs[:, 0])
    if decay.shape[1] == 1:
        return
    odd_decay, odd_inputs, odd_outputs = decay[:, 1::2], inputs[:, 1::2], outputs[:, 1::2]
    pair_decay = odd_decay * decay[:, :-1:2]
    pair_inputs = torch.addcmul(odd_inputs, odd_decay, inputs[:, :-1:2])
    _odd_even(pair_decay, pair_inputs, initial, odd_outputs)
    torch.addcmul(inputs[:, 2::2], decay[:, 2::2], outputs[:, 1:-1:2], out=outputs[:, 2::2])
