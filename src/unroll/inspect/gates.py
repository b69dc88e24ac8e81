"""The equations of the cells' gates: what the input and the memory contribute to each, and what it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unroll.nn.cells.base import Cell
from unroll.nn.cells.fused import FusedCell
from unroll.nn.cells.gru import GRU
from unroll.nn.cells.lstm import LSTM
from unroll.nn.cells.min_gru import MinGRU
from unroll.nn.cells.min_lstm import MinLSTM
from unroll.nn.cells.rnn import RNN

Gated = Float[Tensor, "time gates hidden"]


@dataclass(frozen=True, slots=True)
class Equations:
    """The names of a cell's gates, in the order of its weights, and what they compute.

    `gate` turns the contributions of the input and of the memory, biases included, into the gates'
    pre-activations and activations.
    """

    names: tuple[str, ...]
    gate: Callable[[Any, Gated, Gated], tuple[Gated, Gated]]


def _elman(cell: RNN, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    return z, torch.relu(z) if cell.relu else torch.tanh(z)


def _gru(cell: GRU, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    z[:, 2] = of_input[:, 2] + torch.sigmoid(z[:, 0]) * of_memory[:, 2]  # the reset gate acts on the memory
    return z, torch.cat([torch.sigmoid(z[:, :2]), torch.tanh(z[:, 2:])], dim=1)


def _lstm(cell: LSTM, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    values = torch.sigmoid(z)
    values[:, 2] = torch.tanh(z[:, 2])
    return z, values


def _minimal(cell: MinGRU | MinLSTM, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    values = torch.sigmoid(z)
    values[:, -1] = torch.where(z[:, -1] >= 0, z[:, -1] + 0.5, values[:, -1])
    return z, values


EQUATIONS: dict[type[nn.Module], Equations] = {
    RNN: Equations(("pre-activation",), _elman),
    GRU: Equations(("reset", "update", "new"), _gru),
    LSTM: Equations(("input", "forget", "cell", "output"), _lstm),
    MinGRU: Equations(("update", "new"), _minimal),
    MinLSTM: Equations(("forget", "input", "new"), _minimal),
}
"""Of any other cell only inputs and states are traced."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a cell's gates computed at every step, the gates in the order of `names`.

    z = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, of which `of_input` is W_ih x_t and `of_memory` W_hh h_{t-1}
    (0 where gates do not read the memory); only the GRU's new value is
    z = W_ih x_t + b_ih + reset ⊙ (W_hh h_{t-1} + b_hh). `values` are the activations.
    """

    names: tuple[str, ...]
    of_input: Float[Tensor, "time gates hidden"]
    of_memory: Float[Tensor, "time gates hidden"]
    input_bias: Float[Tensor, "gates hidden"]
    memory_bias: Float[Tensor, "gates hidden"]
    z: Float[Tensor, "time gates hidden"]
    values: Float[Tensor, "time gates hidden"]


def gates_of(cell: Cell, x: Float[Tensor, "time input"], before: Mapping[str, Tensor]) -> Gates | None:
    """The gates of every step, from its input and the state before it; None without equations here."""
    equations = EQUATIONS.get(type(cell))
    if equations is None:
        return None
    shape = (len(equations.names), cell.hidden_size)
    weights = dict(cell.named_parameters())
    of_input = (x @ weights["weight_ih"].mT).view(-1, *shape)
    input_bias = weights["bias_ih"].view(shape)
    of_memory, memory_bias = torch.zeros_like(of_input), torch.zeros_like(input_bias)
    if isinstance(cell, FusedCell):
        of_memory = (before["h"] @ weights["weight_hh"].mT).view(-1, *shape)
        memory_bias = weights["bias_hh"].view(shape)
    z, values = equations.gate(cell, of_input + input_bias, of_memory + memory_bias)
    tensors = (of_input, of_memory, input_bias, memory_bias, z, values)
    return Gates(equations.names, *(tensor.detach().cpu() for tensor in tensors))
