"""A cell over time: stacked, in one or both directions, exact on padded batches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.components import CellConfig, Execution, InitialState, Padding
from unroll.errors import InputError
from unroll.nn.cells.base import Cell, State
from unroll.nn.cells.fused import FusedCell, run_packed
from unroll.registry import build


class Recurrence(nn.Module):
    """`num_layers` cells above one another, in one direction or both, with dropout between layers.

    A padded batch gives each sequence what it would get alone, whatever the padding holds. Unless it is
    packed, the backward direction reads every sequence reversed within its own length, so that padding only
    ever follows the valid steps; final states are those of the last valid step.

    `execution` and `padding` say how it runs, with the same weights and, to rounding, the same results.
    With no layers it hands on what it is given. A learned initial state is one vector for each tensor of
    each cell's state, zero at first.

    States are a list of the cells' states in torch.nn's order: layer 0 forward, layer 0 backward, layer 1 …
    `state_size` counts the tensors in each.

    Raises:
        InputError: an execution that the cell does not have, or packing without a fused kernel.
    """

    def __init__(
        self,
        cell: CellConfig,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        initial_state: InitialState = InitialState.zeros,
        execution: Execution = Execution.auto,
        padding: Padding = Padding.auto,
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.directions = 2 if bidirectional else 1
        self.output_size = self.directions * hidden_size if num_layers > 0 else input_size
        self.dropout = dropout
        cells: list[Cell] = [
            build(cell, input_size if layer == 0 else self.output_size, hidden_size)
            for layer in range(num_layers)
            for _ in range(self.directions)
        ]
        self.cells = nn.ModuleList(cells)
        self.state_size = len(cells[0].state_names) if cells else 0
        self.execution, self.padding = execution, padding
        if cells:
            self.execution = _require_runnable(cell.name, cells[0], execution, padding)
        self.learned_state = nn.ParameterList(
            torch.zeros(hidden_size)
            for _ in range(len(cells) * self.state_size if initial_state is InitialState.learned else 0)
        )

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> list[State]:
        """The learned state of every cell for a batch, or zeros, on the device and in the dtype of x."""
        states = [self._cell(i).initial_state(x) for i in range(len(self.cells))]
        if len(self.learned_state) == 0:
            return states
        learned = iter(self.learned_state)
        return [tuple(zeros + next(learned).to(zeros.dtype) for zeros in state) for state in states]

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: list[State] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], list[State]]:
        """Outputs of every step of the top layer, zero on padding, and every cell's final state.

        `state` is the initial one, instead of the recurrence's own.
        """
        if state is None:
            state = self.initial_state(x)
        if lengths is None:
            return self._run_layers(x, state, None)
        beyond = ~mask_from_lengths(lengths, x.shape[1])[..., None]
        x = x.masked_fill(beyond, 0.0)  # huge values in the padding would reach the gradients
        if self.padding is Padding.packed and self.num_layers > 0:
            cells = [cell for cell in self.cells if isinstance(cell, FusedCell)]
            return run_packed(cells, x, state, lengths, directions=self.directions, dropout=self.dropout)
        outputs, final = self._run_layers(x, state, lengths)
        return outputs.masked_fill(beyond, 0.0), final

    def step(
        self, x: Float[Tensor, "batch input"], state: list[State]
    ) -> tuple[Float[Tensor, "batch output"], list[State]]:
        """One time step through all layers. Only a recurrence in one direction has steps."""
        if self.directions == 2:
            raise ValueError("a bidirectional recurrence has no step form: it needs the whole sequence")
        new: list[State] = []
        for layer in range(self.num_layers):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            new.append(self._cell(layer).step(x, state[layer]))
            x = new[-1][0]
        return x, new

    def _run_layers(
        self,
        x: Float[Tensor, "batch time input"],
        state: list[State],
        lengths: Int[Tensor, " batch"] | None,
    ) -> tuple[Float[Tensor, "batch time output"], list[State]]:
        """Layer by layer, over padding and all."""
        reverse = _reversal(lengths, x) if self.directions == 2 else None
        final: list[State] = []
        for layer in range(self.num_layers):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in range(self.directions):
                index = layer * self.directions + direction
                cell = self._cell(index)
                inputs = _take(x, reverse) if direction == 1 else x
                if self.execution is Execution.loop:
                    steps, last = cell.loop(inputs, state[index], lengths)
                else:
                    steps, last = cell.sequence(inputs, state[index], lengths, self.padding)
                outputs.append(_take(steps, reverse) if direction == 1 else steps)
                final.append(last)
            x = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        return x, final

    def _cell(self, index: int) -> Cell:
        cell = self.cells[index]
        assert isinstance(cell, Cell)
        return cell


def _require_runnable(name: str, cell: Cell, execution: Execution, padding: Padding) -> Execution:
    """How the cell runs, with `auto` resolved; an `InputError` where it cannot run as it is told to."""
    known = ", ".join(choice.value for choice in (Execution.auto, *cell.executions))
    if execution is Execution.auto:
        execution = cell.executions[0]
    elif execution not in cell.executions:
        raise InputError(f"model.execution={execution.value}: the cell {name} has {known}")
    if padding is Padding.packed and execution is not Execution.fused:
        raise InputError(
            f"model.padding=packed: only fused kernels run packed, and the cell {name} runs as "
            f"{execution.value}; choose auto, frozen or masked"
        )
    return execution


def _reversal(
    lengths: Int[Tensor, " batch"] | None, x: Float[Tensor, "batch time _"]
) -> Int[Tensor, "batch time"]:
    """Time indices that reverse each sequence within its length and leave its padding in place."""
    steps = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
    if lengths is None:
        return steps.flip(1)
    backwards = lengths[:, None] - 1 - steps
    return torch.where(backwards >= 0, backwards, steps)


def _take(
    x: Float[Tensor, "batch time features"], index: Int[Tensor, "batch time"] | None
) -> Float[Tensor, "batch time features"]:
    assert index is not None
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
