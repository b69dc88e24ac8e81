"""My cell, with the source of the method."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unroll.config.components import CellConfig
from unroll.config.registry import builds, register, require
from unroll.nn.cells.base import Cell, OutputAndState, State


@register("model/cell", "mine")
@dataclass(kw_only=True, slots=True)
class MineConfig(CellConfig):
    """Config of my cell.

    Attributes:
        sharpness: how steep the gate is
    """

    name: str = "mine"
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        require(self, "sharpness", self.sharpness > 0, "a positive number")


@builds(MineConfig)
class Mine(Cell):
    """u = σ(sharpness · (W_u x + U_u h)), h′ = (1 - u) ⊙ h + u ⊙ tanh(W_n x)."""

    def __init__(self, config: MineConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.sharpness = config.sharpness
        self.from_input = nn.Linear(input_size, 2 * hidden_size)
        self.from_state = nn.Linear(hidden_size, hidden_size, bias=False)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        (h,) = state
        gate, new = self.from_input(x).chunk(2, dim=-1)
        update = torch.sigmoid(self.sharpness * (gate + self.from_state(h)))
        h = (1 - update) * h + update * torch.tanh(new)
        return h, (h,)
