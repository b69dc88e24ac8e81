"""The long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from unroll.config.components import GatedCellConfig, Padding
from unroll.config.registry import builds, register, require
from unroll.nn.cells.base import OutputAndState, State
from unroll.nn.cells.fused import SHUT, FusedCell


@register("model/cell", "lstm")
@dataclass(kw_only=True, slots=True)
class LSTMConfig(GatedCellConfig):
    """Config of the LSTM cell.

    With a forget bias of 0 half of c is gone after every step, and of the gradient with it; with 1
    (Jozefowicz et al. 2015, "An empirical exploration of recurrent network architectures") or more,
    dependencies of many steps can be learned from the first.

    Attributes:
        forget_bias: added to the forget gate's bias at the start; 1 or more remembers for longer
    """

    name: str = "lstm"
    forget_bias: float = 0.0

    def __post_init__(self) -> None:
        require(self, "forget_bias", math.isfinite(self.forget_bias), "a number")


@builds(LSTMConfig)
class LSTM(FusedCell):
    """i, f, o = σ(…), g = tanh(…), c′ = f ⊙ c + i ⊙ g, h′ = o ⊙ tanh(c′). Gates in the order i, f, g, o."""

    gates = 4

    def __init__(self, config: LSTMConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.initialization)
        with torch.no_grad():
            self.bias_ih[hidden_size : 2 * hidden_size] += config.forget_bias

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": (self.hidden_size,), "c": (self.hidden_size,)}

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        h, c = state
        z = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = z.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)

    @property
    def kernel(self) -> Callable[..., tuple[Tensor, ...]]:
        return torch.lstm

    def freezing_column(self) -> Float[Tensor, "gates 1"]:
        # The input gate shut and the forget gate open: c passes through padding unchanged.
        column = self.weight_ih.new_zeros(4, self.hidden_size)
        column[0] = -SHUT
        column[1] = SHUT
        return column.view(-1, 1)

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        if self.padding is Padding.masked and lengths is not None:
            return self.loop(x, state, lengths)  # the kernel shows h of every step, but c of the last only
        return super().sequence(x, state, lengths)
