"""A rate that changes at given steps."""

from bisect import bisect_right
from dataclasses import dataclass, field

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from unroll.config.components import SchedulerConfig
from unroll.config.registry import builds, register, require


@register("scheduler", "piecewise")
@dataclass(kw_only=True, slots=True)
class PiecewiseConfig(SchedulerConfig):
    """Config of a rate that changes at given steps.

    Attributes:
        steps: after so many steps of the optimizer it changes, increasing, as [500,800]
        factors: what it is from then on, as a share of optimizer.lr, as [0.3,0.09]
    """

    name: str = "piecewise"
    steps: list[int] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        increasing = self.steps == sorted({*self.steps}) and all(step >= 1 for step in self.steps)
        require(self, "steps", increasing, "whole numbers of 1 or more that increase")
        require(self, "factors", len(self.factors) == len(self.steps), "as many as steps")
        require(self, "factors", all(factor >= 0 for factor in self.factors), "zero or positive numbers")


@builds(PiecewiseConfig)
def piecewise(
    config: PiecewiseConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str
) -> LRScheduler:
    """The factor of the last of the steps that are done; 1 before the first."""
    factors = [1.0, *config.factors]
    return LambdaLR(optimizer, lambda step: factors[bisect_right(config.steps, step)])
