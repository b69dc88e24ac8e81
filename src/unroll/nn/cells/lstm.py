"""The long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unroll.components import CellConfig
from unroll.nn.cells.base import Cell, State
from unroll.registry import builds, register

GATE_SHUT = 1e4
"""Far enough for σ(±GATE_SHUT) to be exactly 0 or 1, and still finite in float16."""


@register("model/cell", "lstm")
@dataclass(kw_only=True, slots=True)
class LSTMConfig(CellConfig):
    """Config of the LSTM cell."""

    name: str = "lstm"


@builds(LSTMConfig)
class LSTM(Cell):
    """i, f, o = σ(…), g = tanh(…), c′ = f ⊙ c + i ⊙ g, h′ = o ⊙ tanh(c′). Gates in the order i, f, g, o."""

    gates = 4
    state_names = ("h", "c")

    def __init__(self, config: LSTMConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.initialization)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        h, c = state
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = z.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def kernel(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        padding: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        weight_ih: Tensor = self.weight_ih
        if padding is not None:
            # One more input column, 1 on padding, shuts the input gate and opens the forget gate there:
            # c passes through unchanged. (h does not, but every step's h is among the outputs.)
            weight_ih = torch.cat([weight_ih, self._freezing_column()], dim=1)
            x = torch.cat([x, padding[..., None].to(x.dtype)], dim=-1)
        weights = (weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        initial = (state[0][None], state[1][None])
        outputs, h, c = torch.lstm(x, initial, weights, True, 1, 0.0, self.training, False, True)
        return outputs, (h[0], c[0])

    def _freezing_column(self) -> Float[Tensor, "gates 1"]:
        column = self.weight_ih.new_zeros(4, self.hidden_size)
        column[0] = -GATE_SHUT
        column[1] = GATE_SHUT
        return column.view(-1, 1)
