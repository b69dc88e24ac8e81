"""The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), with the reset gate after the product."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from unroll.config.components import GatedCellConfig
from unroll.config.registry import builds, register
from unroll.nn.cells.base import OutputAndState, State
from unroll.nn.cells.fused import FusedCell


@register("model/cell", "gru")
@dataclass(kw_only=True, slots=True)
class GRUConfig(GatedCellConfig):
    """Config of the GRU cell."""

    name: str = "gru"


@builds(GRUConfig)
class GRU(FusedCell):
    """r, u = σ(…), n = tanh(W_n x + b + r ⊙ (U_n h + b′)), h′ = (1 - u) ⊙ n + u ⊙ h."""

    gates = 3

    def __init__(self, config: GRUConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.initialization)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        (h,) = state
        x_reset, x_update, x_new = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, dim=-1)
        h_reset, h_update, h_new = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, dim=-1)
        reset = torch.sigmoid(x_reset + h_reset)
        update = torch.sigmoid(x_update + h_update)
        new = torch.tanh(x_new + reset * h_new)
        h = (1 - update) * new + update * h
        return h, (h,)

    @property
    def kernel(self) -> Callable[..., tuple[Tensor, ...]]:
        return torch.gru
