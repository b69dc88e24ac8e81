"""A cell over time: stacked, in one or both directions, exact on padded batches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.components import CellConfig
from unroll.nn.cells.base import Cell, State
from unroll.registry import build


class Recurrence(nn.Module):
    """`num_layers` cells above one another, in one direction or both, with dropout between layers.

    A padded batch gives each sequence what it would get alone: the backward direction reads every
    sequence reversed within its own length, so that padding only ever follows the valid steps, and final
    states are those of the last valid step. No packing, hence no slow kernels.

    States are a list of the cells' states in torch.nn's order: layer 0 forward, layer 0 backward, layer 1 …
    `state_size` counts the tensors in each.
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
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.directions = 2 if bidirectional else 1
        self.output_size = self.directions * hidden_size
        self.dropout = dropout
        self.cells = nn.ModuleList(
            build(cell, input_size if layer == 0 else self.output_size, hidden_size)
            for layer in range(num_layers)
            for _ in range(self.directions)
        )
        self.state_size = len(self._cell(0).state_names)

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> list[State]:
        """Zeros for every cell, on the device and in the dtype of x."""
        return [self._cell(i).initial_state(x) for i in range(len(self.cells))]

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: list[State] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        loop: bool = False,
    ) -> tuple[Float[Tensor, "batch time directions_hidden"], list[State]]:
        """Outputs of every step of the top layer, zero on padding, and every cell's final state.

        `loop` runs the cells step by step instead of fused; the results agree to rounding.
        """
        if state is None:
            state = self.initial_state(x)
        reverse = _reversal(lengths, x) if self.directions == 2 else None
        final: list[State] = []
        for layer in range(self.num_layers):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in range(self.directions):
                index = layer * self.directions + direction
                cell = self._cell(index)
                run = cell.loop if loop else cell.sequence
                steps, last = run(_take(x, reverse) if direction == 1 else x, state[index], lengths)
                outputs.append(_take(steps, reverse) if direction == 1 else steps)
                final.append(last)
            x = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        if lengths is not None:
            x = x.masked_fill(~mask_from_lengths(lengths, x.shape[1])[..., None], 0.0)
        return x, final

    def step(
        self, x: Float[Tensor, "batch input"], state: list[State]
    ) -> tuple[Float[Tensor, "batch hidden"], list[State]]:
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

    def _cell(self, index: int) -> Cell:
        cell = self.cells[index]
        assert isinstance(cell, Cell)
        return cell


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
