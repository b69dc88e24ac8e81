"""From what an encoder has read, or from a vector, to the state that a decoder starts from."""

import math

import torch
from torch import Tensor, nn

from unroll.nn.cells.base import Cell, State, is_learnable
from unroll.nn.recurrence import Recurrence


class ToState(nn.Linear):
    """W [a; b; …] + bias: from tensors to the numbers of one tensor of a state.

    Where they are like it but for the last axis, that axis is projected, with the same weights along the
    others: all the values of a matrix at once would have weights of their number squared. Else everything
    is. A complex number is two real ones. `wanted` and `given` are examples, with a batch of one.
    """

    def __init__(self, wanted: Tensor, *given: Tensor) -> None:
        alike = all(tensor.shape[:-1] == wanted.shape[:-1] for tensor in given)
        self.kept_axes = max(1, wanted.ndim - 1) if alike else 1
        self.shape = wanted.shape[self.kept_axes :]
        self.is_complex = wanted.is_complex()
        super().__init__(sum(map(self._numbers, given)), self._numbers(wanted))

    def forward(self, *given: Tensor) -> Tensor:
        real = [torch.view_as_real(tensor) if tensor.is_complex() else tensor for tensor in given]
        joined = torch.cat([tensor.reshape(*tensor.shape[: self.kept_axes], -1) for tensor in real], dim=-1)
        numbers = super().forward(joined)
        if self.is_complex:
            numbers = torch.view_as_complex(numbers.view(*numbers.shape[:-1], -1, 2))
        return numbers.view(*numbers.shape[:-1], *self.shape)

    def _numbers(self, example: Tensor) -> int:
        return math.prod(example.shape[self.kept_axes :]) * (2 if example.is_complex() else 1)


class Bridge(nn.Module):
    """Makes the decoder's initial state of the encoder's final one.

    One direction is passed on as it is. Of two, each layer's states are joined and projected:
    tanh(W [forward; backward] + b), with weights of their own for every layer and for h and c. (In place of
    tanh is what the cell says: `Cell.state_from`.) So is one direction, where a state has another shape in
    the decoder, as a buffer of its inputs may. What is no real or complex number, as a count of steps, is
    passed on from the forward direction.

    `given` and `wanted` are states of the encoder and of the decoder with a batch of one.
    """

    def __init__(self, directions: int, given: list[State], wanted: list[State]) -> None:
        super().__init__()
        self.directions = directions
        self.projections = nn.ModuleList()
        for layer, state in enumerate(wanted):
            sides = given[layer * directions : (layer + 1) * directions]
            alike = all(a.shape == b.shape for a, b in zip(sides[0], state, strict=True))
            self.projections.append(
                nn.ModuleList(
                    ToState(tensor, *tensors) if is_learnable(tensor) else _First()
                    for tensor, *tensors in zip(state, *sides, strict=True)
                    if directions > 1 or not alike
                )
            )

    def forward(self, final: list[State], decoder: Recurrence) -> list[State]:
        """One state for each layer of the decoder, from one for each layer and direction of the encoder."""
        bridged: list[State] = []
        for layer, (projections, cell) in enumerate(zip(self.projections, decoder.cells, strict=True)):
            assert isinstance(projections, nn.ModuleList)
            assert isinstance(cell, Cell)
            sides = final[layer * self.directions : (layer + 1) * self.directions]
            if len(projections) == 0:
                bridged.append(sides[0])
                continue
            per_tensor = zip(projections, *sides, strict=True)
            bridged.append(cell.state_from(tuple(project(*tensors) for project, *tensors in per_tensor)))
        return bridged


class _First(nn.Module):
    """What is not projected: that of the first direction."""

    def forward(self, forward: Tensor, *backward: Tensor) -> Tensor:
        return forward
