"""RMSprop (Hinton 2012)."""

from dataclasses import dataclass

import torch
from torch.optim.optimizer import ParamsT

from unroll.config.components import OptimizerConfig
from unroll.config.registry import builds, register, require


@register("optimizer", "rmsprop")
@dataclass(kw_only=True, slots=True)
class RMSpropConfig(OptimizerConfig):
    """Config of RMSprop (Hinton 2012).

    Attributes:
        momentum: share of the step before that is added to each; 0 is none
    """

    name: str = "rmsprop"
    lr: float | None = 1e-3
    momentum: float = 0.0

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        require(self, "momentum", 0 <= self.momentum < 1, "in [0, 1)")


@builds(RMSpropConfig)
def rmsprop(config: RMSpropConfig, parameters: ParamsT) -> torch.optim.Optimizer:
    """torch.optim.RMSprop."""
    return torch.optim.RMSprop(
        parameters, lr=config.rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
