"""The cells that torch has fused kernels for: parameters laid out as torch.nn's, and two ways to run them."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths, on_host
from unroll.config.components import Execution, Initialization, Padding
from unroll.nn.cells.base import Cell, State, last_valid

SHUT = 1e4
"""Far enough for σ(±SHUT) to be exactly 0 or 1, and still finite in float16."""


class FusedCell(Cell):
    """A cell with a kernel of torch: torch.rnn_tanh, torch.gru, torch.lstm …

    `weight_ih` is (gates · H, I) and `weight_hh` (gates · H, H), the gates in torch.nn's order, so that
    weights can be exchanged with torch.nn.RNN, GRU and LSTM. The output is h, the state's first tensor.

    Attributes:
        padding: how a padded batch runs, as its recurrence says. Only the LSTM makes a difference between
            frozen and masked; packed, the recurrence runs its cells with `run_packed`.
    """

    gates: ClassVar[int]
    padding: Padding = Padding.auto
    executions = (Execution.fused, Execution.loop)

    def __init__(self, input_size: int, hidden_size: int, initialization: Initialization) -> None:
        super().__init__(input_size, hidden_size)
        rows = self.gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        bound = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if initialization is Initialization.uniform:
            return
        of_state = initialization is Initialization.orthogonal
        for weight in self.weight_ih.chunk(self.gates):
            nn.init.xavier_uniform_(weight)
        for weight in self.weight_hh.chunk(self.gates):
            nn.init.orthogonal_(weight) if of_state else nn.init.xavier_uniform_(weight)

    @property
    @abstractmethod
    def kernel(self) -> Callable[..., tuple[Tensor, ...]]:
        """The function of torch that runs all time steps."""

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The parameters in the order that kernels take them."""
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def freezing_column(self) -> Float[Tensor, "gates 1"] | None:
        """The weights of one more input, 1 on padding, that keep the state there from changing or growing.

        None where a cell needs none: its h stays bounded, and the last valid one is among the outputs.
        """
        return None

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        weights = self.weights
        column = None if lengths is None else self.freezing_column()
        if lengths is not None and column is not None:
            beyond = ~mask_from_lengths(lengths, x.shape[1])
            x = torch.cat([x, beyond[..., None].to(x.dtype)], dim=-1)
            weights = (torch.cat([self.weight_ih, column], dim=1), *weights[1:])
        initial = tuple(tensor[None] for tensor in state)
        outputs, *final = self.kernel(x, _hidden(initial), weights, True, 1, 0.0, self.training, False, True)
        # h is among the outputs; what else there is in the state was held.
        return outputs, (last_valid(outputs, lengths), *(tensor[0] for tensor in final[1:]))


def run_packed(
    cells: Sequence[FusedCell],
    x: Float[Tensor, "batch time input"],
    states: list[State],
    lengths: Int[Tensor, " batch"],
    *,
    directions: int,
    dropout: float,
) -> tuple[Float[Tensor, "batch time directions_hidden"], list[State]]:
    """A whole stack of cells over packed sequences, as torch.nn's modules run it: no step of padding.

    Cells and states are in torch.nn's order. Outputs are in the batch's order, and zero on padding.
    """
    packing = _pack(on_host(lengths), x.device)
    rows, steps, order, original = packing.rows, packing.steps, packing.order, packing.original
    initial = tuple(torch.stack(tensors).index_select(1, order) for tensors in zip(*states, strict=True))
    weights = [weight for cell in cells for weight in cell.weights]
    training = cells[0].training
    data, *final = cells[0].kernel(
        x[rows, steps],
        packing.batch_sizes,
        _hidden(initial),
        weights,
        True,
        len(cells) // directions,
        dropout,
        training,
        directions == 2,
    )
    outputs = data.new_zeros(*x.shape[:2], data.shape[-1]).index_put((rows, steps), data)
    per_cell = zip(*(tensor.index_select(1, original) for tensor in final), strict=True)
    return outputs, [tuple(tensors) for tensors in per_cell]


@dataclass(frozen=True, slots=True)
class _Packing:
    """The steps of a padded batch in the order of torch's packed sequences.

    torch's own functions for them wait for the device.

    Attributes:
        batch_sizes: how many sequences have each step; on the host, where kernels read it.
        rows, steps: where each packed step stands in the batch.
        order, original: sorts the sequences, the longest first, and back.
    """

    batch_sizes: Int[Tensor, " time"]
    rows: Int[Tensor, " packed"]
    steps: Int[Tensor, " packed"]
    order: Int[Tensor, " batch"]
    original: Int[Tensor, " batch"]


def _pack(lengths: Int[Tensor, " batch"], device: torch.device) -> _Packing:
    """The packing for lengths on the host, on a device."""
    known, order = torch.sort(lengths, descending=True)
    present = known > torch.arange(int(known[0]))[:, None]
    steps, rows = present.nonzero(as_tuple=True)
    there = (order[rows], steps, order, order.argsort())
    return _Packing(present.sum(dim=1), *(each.to(device, non_blocking=True) for each in there))


def _hidden(state: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    """The state as kernels take it: one tensor, or several."""
    return state if len(state) > 1 else state[0]
