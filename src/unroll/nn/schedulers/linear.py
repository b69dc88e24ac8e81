"""A rate that falls in a straight line."""

from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LRScheduler

from unroll.config.registry import builds, register, require
from unroll.nn.schedulers.constant import ConstantConfig, after_warmup


@register("scheduler", "linear")
@dataclass(kw_only=True, slots=True)
class LinearConfig(ConstantConfig):
    """Config of a rate that falls in a straight line.

    Attributes:
        final: the rate at the last step, as a share of optimizer.lr
    """

    name: str = "linear"
    warmup: float = 0.05
    final: float = 0.0

    def __post_init__(self) -> None:
        ConstantConfig.__post_init__(self)
        require(self, "final", 0 <= self.final <= 1, "a share of the rate, in [0, 1]")


@builds(LinearConfig)
def linear(config: LinearConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """From 1 to `final` in a straight line, after the warm-up."""
    return after_warmup(config, optimizer, steps, fall=lambda progress: 1 - (1 - config.final) * progress)
