"""AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

from dataclasses import dataclass

import torch
from torch.optim.optimizer import ParamsT

from unroll.config.components import OptimizerConfig
from unroll.config.registry import builds, register, require


@register("optimizer", "adamw")
@dataclass(kw_only=True, slots=True)
class AdamWConfig(OptimizerConfig):
    """Config of AdamW (Loshchilov & Hutter 2019). Its weight decay is apart from the gradient.

    Attributes:
        beta1: share of the gradient's mean that each step keeps
        beta2: share of the squared gradient's mean that each step keeps
    """

    name: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        require(self, "beta1", 0 <= self.beta1 < 1, "in [0, 1)")
        require(self, "beta2", 0 <= self.beta2 < 1, "in [0, 1)")


@builds(AdamWConfig)
def adamw(config: AdamWConfig, parameters: ParamsT) -> torch.optim.Optimizer:
    """torch.optim.AdamW."""
    betas = (config.beta1, config.beta2)
    return torch.optim.AdamW(parameters, lr=config.lr, betas=betas, weight_decay=config.weight_decay)
