"""A recurrence over a long sequence, one segment of its steps after another."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from unroll.nn.cells.base import State, where_alive

Inputs = Float[Tensor, "batch time input"]
Outputs = Float[Tensor, "batch time output"]
Lengths = Int[Tensor, " batch"]
Run = Callable[[Inputs, list[State], Lengths | None], tuple[Outputs, list[State]]]
"""From inputs, initial states and lengths to every step's output and the final states."""


def segments(x: Inputs, lengths: Lengths | None, steps: int) -> Iterator[tuple[Inputs, Lengths | None]]:
    """Pieces of so many steps, and the steps left of each sequence at their start, 0 or less if it ended."""
    # One split: the gradient of every slice would be as long as x.
    for number, piece in enumerate(torch.split(x, steps, dim=1)):
        yield piece, None if lengths is None else lengths - number * steps


def run_segment(
    run: Run, x: Inputs, state: list[State], remaining: Lengths | None
) -> tuple[Outputs, list[State]]:
    """`run` on one of `segments`: a sequence that has ended keeps its state, and its outputs are zero."""
    if remaining is None:
        return run(x, state, None)
    alive = remaining > 0
    outputs, final = run(x, state, remaining.clamp(1, x.shape[1]))
    kept = [where_alive(alive, new, old) for new, old in zip(final, state, strict=True)]
    return outputs.masked_fill(~alive[:, None, None], 0.0), kept


def checkpointed(
    run: Run,
    x: Inputs,
    state: list[State],
    lengths: Lengths | None,
    steps: int,
    parameters: Sequence[Tensor],
) -> tuple[Outputs, list[State]]:
    """`run` over segments of so many steps, of which the backward pass computes each anew.

    Between the passes nothing is kept but the states between segments (Chen et al. 2016, arXiv:1604.06174;
    for recurrences Gruslys et al. 2016, arXiv:1606.03401). `parameters` are those that `run` uses.
    """

    def run_flat(piece: Inputs, remaining: Lengths | None, *flat: Tensor) -> tuple[Tensor, ...]:
        outputs, final = run_segment(run, piece, _like(state, flat), remaining)
        # A state may be a view of the last outputs, and would keep all of theirs.
        return outputs, *(tensor.clone() for tensors in final for tensor in tensors)

    flat = [tensor for tensors in state for tensor in tensors]
    outputs = []
    for piece, remaining in segments(x, lengths, steps):
        ran, *flat = _Recomputed.apply(  # type: ignore[no-untyped-call]
            run_flat, remaining, len(parameters), *parameters, piece, *flat
        )
        outputs.append(ran)
    return torch.cat(outputs, dim=1), _like(state, flat)


def _like(state: list[State], flat: Sequence[Tensor]) -> list[State]:
    """The tensors of states, one after the other, as states again."""
    rest = iter(flat)
    return [tuple(next(rest) for _ in tensors) for tensors in state]


class _Recomputed(torch.autograd.Function):
    """A segment without a graph until the backward pass makes one.

    torch.utils.checkpoint drops the tensors but keeps the nodes of the graph and a Python object for each
    tensor, 20 KB a step of a GRU; its other form, without a graph, gives no gradients to autograd.grad.
    """

    @staticmethod
    def forward(
        ctx: Any,
        run: Callable[..., tuple[Tensor, ...]],
        remaining: Tensor | None,
        parameters: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        piece, *flat = tensors[parameters:]
        device = piece.device.type
        ctx.run, ctx.remaining, ctx.parameters = run, remaining, parameters
        ctx.autocast = device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
        ctx.random = _random_state(piece.device)  # of dropout, to be drawn the same again
        ctx.save_for_backward(*tensors)
        return run(piece, remaining, *flat)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        piece, *flat = (
            tensor.detach().requires_grad_(need)
            for tensor, need in zip(saved[ctx.parameters :], needed[ctx.parameters :], strict=True)
        )
        device, dtype, enabled = ctx.autocast
        before = _random_state(piece.device)
        _set_random_state(piece.device, ctx.random)
        # The weights that autocast has kept from the forward pass would get no gradient.
        with torch.enable_grad(), torch.autocast(device, dtype, enabled, cache_enabled=False):
            outputs = ctx.run(piece, ctx.remaining, *flat)
        _set_random_state(piece.device, before)
        inputs = [*saved[: ctx.parameters], piece, *flat]
        # A state may be made of inputs that need no gradient, or count steps.
        reached = [pair for pair in zip(outputs, gradients, strict=True) if pair[0].requires_grad]
        found = iter(
            torch.autograd.grad(
                [output for output, _ in reached],
                [tensor for tensor, need in zip(inputs, needed, strict=True) if need],
                [gradient for _, gradient in reached],
                allow_unused=True,
            )
        )
        return None, None, None, *(next(found) if need else None for need in needed)


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
