"""The Elman cell (Elman 1990, "Finding structure in time")."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from unroll.config.components import GatedCellConfig
from unroll.config.registry import builds, register
from unroll.nn.cells.base import OutputAndState, State
from unroll.nn.cells.fused import SHUT, FusedCell


class Nonlinearity(Enum):
    """What the cell does to its pre-activation."""

    tanh = "tanh"
    relu = "relu"


@register("model/cell", "rnn")
@dataclass(kw_only=True, slots=True)
class RNNConfig(GatedCellConfig):
    """Config of the Elman cell.

    Attributes:
        nonlinearity: what the cell does to its pre-activation
    """

    name: str = "rnn"
    nonlinearity: Nonlinearity = Nonlinearity.tanh


@builds(RNNConfig)
class RNN(FusedCell):
    """h′ = f(W_ih x + b_ih + W_hh h + b_hh), with f = tanh or relu."""

    gates = 1

    def __init__(self, config: RNNConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.initialization)
        self.relu = config.nonlinearity is Nonlinearity.relu

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        (h,) = state
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        h = torch.relu(z) if self.relu else torch.tanh(z)
        return h, (h,)

    @property
    def kernel(self) -> Callable[..., tuple[Tensor, ...]]:
        return torch.rnn_relu if self.relu else torch.rnn_tanh

    def freezing_column(self) -> Float[Tensor, "gates 1"] | None:
        # Over a long padding relu's h could grow to infinity, and 0 · ∞ is NaN in the gradient: hold it at 0.
        return self.weight_ih.new_full((self.hidden_size, 1), -SHUT) if self.relu else None
