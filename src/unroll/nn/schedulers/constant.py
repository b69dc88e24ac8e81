"""A constant rate, after a warm-up; and what the schedules that fall after one share."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from unroll.config.components import SchedulerConfig
from unroll.config.registry import builds, register, require


@register("scheduler", "constant")
@dataclass(kw_only=True, slots=True)
class ConstantConfig(SchedulerConfig):
    """Config of a constant rate.

    Attributes:
        warmup: share of all steps in which the rate rises from 0
    """

    name: str = "constant"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        require(self, "warmup", 0 <= self.warmup < 1, "a share of all steps, in [0, 1)")


@dataclass(kw_only=True, slots=True)
class FallingConfig(ConstantConfig):
    """Base config of a rate that falls after the warm-up.

    Attributes:
        final: the rate at the last step, as a share of optimizer.lr
    """

    warmup: float = 0.05
    final: float = 0.0

    def __post_init__(self) -> None:
        ConstantConfig.__post_init__(self)
        require(self, "final", 0 <= self.final <= 1, "a share of the rate, in [0, 1]")


@builds(ConstantConfig)
def constant(config: ConstantConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """1, after the warm-up."""
    return after_warmup(config, optimizer, steps, fall=lambda progress: 1.0)


def after_warmup(
    config: ConstantConfig,
    optimizer: torch.optim.Optimizer,
    steps: int,
    fall: Callable[[float], float],
) -> LRScheduler:
    """The schedule that rises to 1 and then is `fall` of the share of the remaining steps that is done."""
    warmup = round(config.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return fall(min(1.0, (step - warmup) / max(1, steps - warmup)))

    return LambdaLR(optimizer, factor)
