"""A linear recurrence over time, computed in parallel."""

from functools import reduce
from typing import Any

import torch
from jaxtyping import Inexact
from torch import Tensor

from unroll.nn.engines.mapped import mapped_first

Steps = Inexact[Tensor, "batch time *features"]
First = Inexact[Tensor, "batch *features"]


def linear_scan(decay: Steps, inputs: Steps, initial: First) -> Steps:
    """h_t = decay_t ⊙ h_{t-1} + inputs_t for every t, with h_{-1} = `initial`; real or complex.

    O(log T) depth, O(T) work and memory, forward and backward. It is computed in linear space, by joining
    neighbours (a, b), (a′, b′) → (a′a, a′b + b′): for decays in [0, 1] every factor stays there, and nothing
    is ever divided by, so that it is as exact as a loop over the steps, for values of either sign. The usual
    log-space formula (Heinsen 2023, arXiv:2311.06281) needs positive values and takes differences of
    cumulative sums: these reach thousands at T = 4096, where float32 was off by 3e-3 in outputs, and in the
    gradients of decays by more than their size. torch's own `associative_scan` is a prototype (2.13): on a
    CPU it takes more than twice as long, and keeps every level for the gradient.

    Tensors of several dtypes are computed, and the result given, in one that holds all of them; under
    autocast, as sums over many terms are there, in float32 or more. It has gradients of any order, and works
    under `torch.func.grad` and `vmap`.
    """
    tensors = decay, inputs, initial
    dtype = reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
    if torch.is_autocast_enabled(decay.device.type):
        dtype = torch.promote_types(dtype, torch.float32)
    return _LinearScan.apply(*(tensor.to(dtype) for tensor in tensors))  # type: ignore[no-any-return, no-untyped-call]


class _LinearScan(torch.autograd.Function):
    """The gradient of a linear recurrence is one too, backwards in time: only decay and h are kept for it."""

    @staticmethod
    def forward(decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
        outputs = torch.empty_like(inputs)
        _odd_even(decay, inputs, initial, outputs)
        return outputs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        decay, _, initial = inputs
        ctx.save_for_backward(decay, output, initial)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, outputs, initial = ctx.saved_tensors
        decay = decay.conj()  # which real numbers are themselves
        following = torch.cat([decay[:, 1:], torch.zeros_like(decay[:, :1])], dim=1)
        backwards = linear_scan(following.flip(1), grad.flip(1), torch.zeros_like(initial))
        grad_inputs = backwards.flip(1)
        previous = torch.cat([initial[:, None], outputs[:, :-1]], dim=1).conj()
        return grad_inputs * previous, grad_inputs, grad_inputs[:, 0] * decay[:, 0]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *tensors: Tensor) -> tuple[Tensor, int]:
        """Sequences are independent: what is mapped over makes the batch so many times as large."""
        first = list(mapped_first(info.batch_size, in_dims, tensors))
        outputs = _LinearScan.apply(*(tensor.flatten(0, 1) for tensor in first))  # type: ignore[no-untyped-call]
        return outputs.unflatten(0, first[1].shape[:2]), 0


def _odd_even(decay: Steps, inputs: Steps, initial: First, outputs: Steps) -> None:
    """Pairs of steps make a recurrence of half the length; it gives the odd steps, and they the even ones."""
    torch.addcmul(inputs[:, 0], decay[:, 0], initial, out=outputs[:, 0])
    if decay.shape[1] == 1:
        return
    odd_decay, odd_inputs, odd_outputs = decay[:, 1::2], inputs[:, 1::2], outputs[:, 1::2]
    pair_decay = odd_decay * decay[:, :-1:2]
    pair_inputs = torch.addcmul(odd_inputs, odd_decay, inputs[:, :-1:2])
    _odd_even(pair_decay, pair_inputs, initial, odd_outputs)
    torch.addcmul(inputs[:, 2::2], decay[:, 2::2], outputs[:, 1:-1:2], out=outputs[:, 2::2])
