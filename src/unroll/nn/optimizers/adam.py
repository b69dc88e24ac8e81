"""Adam (Kingma & Ba 2015, arXiv:1412.6980)."""

from dataclasses import dataclass

import torch
from torch.optim.optimizer import ParamsT

from unroll.config.components import OptimizerConfig
from unroll.config.registry import builds, register, require


@register("optimizer", "adam")
@dataclass(kw_only=True, slots=True)
class AdamConfig(OptimizerConfig):
    """Config of Adam (Kingma & Ba 2015). Its weight decay is part of the gradient.

    Attributes:
        beta1: share of the gradient's mean that each step keeps
        beta2: share of the squared gradient's mean that each step keeps
    """

    name: str = "adam"
    lr: float | None = None
    beta1: float = 0.9
    beta2: float = 0.999

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        require(self, "beta1", 0 <= self.beta1 < 1, "in [0, 1)")
        require(self, "beta2", 0 <= self.beta2 < 1, "in [0, 1)")


@builds(AdamConfig)
def adam(config: AdamConfig, parameters: ParamsT) -> torch.optim.Optimizer:
    """torch.optim.Adam."""
    betas = (config.beta1, config.beta2)
    return torch.optim.Adam(parameters, lr=config.rate, betas=betas, weight_decay=config.weight_decay)
