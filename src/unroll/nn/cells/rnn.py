"""The Elman cell (Elman 1990, "Finding structure in time")."""

from dataclasses import dataclass
from enum import Enum

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unroll.components import CellConfig
from unroll.nn.cells.base import Cell, State
from unroll.registry import builds, register


class Nonlinearity(Enum):
    """What the cell does to its pre-activation."""

    tanh = "tanh"
    relu = "relu"


@register("model/cell", "rnn")
@dataclass(kw_only=True, slots=True)
class RNNConfig(CellConfig):
    """Config of the Elman cell."""

    name: str = "rnn"
    nonlinearity: Nonlinearity = Nonlinearity.tanh


@builds(RNNConfig)
class RNN(Cell):
    """h′ = f(W_ih x + b_ih + W_hh h + b_hh), with f = tanh or relu."""

    gates = 1

    def __init__(self, config: RNNConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.initialization)
        self.nonlinearity = config.nonlinearity

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        (h,) = state
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        return (torch.relu(z) if self.nonlinearity is Nonlinearity.relu else torch.tanh(z),)

    def kernel(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        padding: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        run = torch.rnn_relu if self.nonlinearity is Nonlinearity.relu else torch.rnn_tanh
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        outputs, h = run(x, state[0][None], weights, True, 1, 0.0, self.training, False, True)
        return outputs, (h[0],)
