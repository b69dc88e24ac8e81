"""A rate that falls in a straight line."""

from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LRScheduler

from unroll.config.registry import builds, register
from unroll.nn.schedulers.constant import FallingConfig, after_warmup


@register("scheduler", "linear")
@dataclass(kw_only=True, slots=True)
class LinearConfig(FallingConfig):
    """Config of a rate that falls in a straight line."""

    name: str = "linear"


@builds(LinearConfig)
def linear(config: LinearConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """From 1 to `final` in a straight line, after the warm-up."""
    return after_warmup(config, optimizer, steps, fall=lambda progress: 1 - (1 - config.final) * progress)
