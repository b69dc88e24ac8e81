"""Stochastic gradient descent."""

from dataclasses import dataclass

import torch
from torch.optim.optimizer import ParamsT

from unroll.config.components import OptimizerConfig
from unroll.config.registry import builds, register, require


@register("optimizer", "sgd")
@dataclass(kw_only=True, slots=True)
class SGDConfig(OptimizerConfig):
    """Config of stochastic gradient descent.

    Attributes:
        momentum: share of the step before that is added to each; 0 is none
        nesterov: whether the gradient is taken where the momentum leads
    """

    name: str = "sgd"
    lr: float | None = 0.1
    momentum: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        require(self, "momentum", 0 <= self.momentum < 1, "in [0, 1)")
        require(self, "nesterov", not self.nesterov or self.momentum > 0, "false where momentum is 0")


@builds(SGDConfig)
def sgd(config: SGDConfig, parameters: ParamsT) -> torch.optim.Optimizer:
    """torch.optim.SGD."""
    return torch.optim.SGD(
        parameters,
        lr=config.rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )
