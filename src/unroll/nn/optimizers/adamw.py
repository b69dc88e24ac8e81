"""AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

from dataclasses import dataclass

import torch
from torch.optim.optimizer import ParamsT

from unroll.config.registry import builds, register
from unroll.nn.optimizers.adam import AdamConfig


@register("optimizer", "adamw")
@dataclass(kw_only=True, slots=True)
class AdamWConfig(AdamConfig):
    """Config of AdamW (Loshchilov & Hutter 2019). Its weight decay is apart from the gradient."""

    name: str = "adamw"
    weight_decay: float = 0.01


@builds(AdamWConfig)
def adamw(config: AdamWConfig, parameters: ParamsT) -> torch.optim.Optimizer:
    """torch.optim.AdamW."""
    betas = (config.beta1, config.beta2)
    return torch.optim.AdamW(parameters, lr=config.rate, betas=betas, weight_decay=config.weight_decay)
