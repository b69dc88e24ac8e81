"""A feed-forward network applied to every time step, in one of three ways that give the same result."""

from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.config.components import FrontEndConfig
from unroll.config.registry import builds, register, require
from unroll.nn.front_ends.base import FrontEnd


class Strategy(Enum):
    """How a network is applied to every step: one at a time, by torch.func.vmap, or all in one call."""

    loop = "loop"
    vmap = "vmap"
    fused = "fused"


@register("model/front_end", "mlp")
@dataclass(kw_only=True, slots=True)
class MLPConfig(FrontEndConfig):
    """Config of two linear layers, I → `hidden_size` → `output_size`.

    Attributes:
        hidden_size: features between the two
        output_size: features that the recurrence reads
        strategy: how they are applied to every step; one at a time, by torch.func.vmap, or all in one call
            (fused), with the same weights and results
    """

    name: str = "mlp"
    hidden_size: int = 64
    output_size: int = 64
    strategy: Strategy = Strategy.fused

    def __post_init__(self) -> None:
        for key in ("hidden_size", "output_size"):
            require(self, key, getattr(self, key) >= 1, "1 or more")


@builds(MLPConfig)
class MLP(FrontEnd):
    """y_t = W₂ relu(W₁ x_t + b₁) + b₂."""

    def __init__(self, config: MLPConfig, input_size: int, length: int) -> None:
        super().__init__()
        self.strategy = config.strategy
        self.output_size = config.output_size
        self.network = nn.Sequential(
            nn.Linear(input_size, config.hidden_size),
            nn.ReLU(),
            nn.Linear(config.hidden_size, config.output_size),
        )

    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        outputs: Tensor
        match self.strategy:
            case Strategy.loop:
                outputs = torch.stack([self.network(x_t) for x_t in x.unbind(dim=1)], dim=1)
            case Strategy.vmap:
                outputs = torch.func.vmap(self.network, in_dims=1, out_dims=1)(x)
            case Strategy.fused:
                outputs = self.network(x)
        return outputs
