"""The schedule that fits how long a run trains; a run replaces it by that one (`unroll.training.settle`)."""

from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LRScheduler

from unroll.config.components import SchedulerConfig
from unroll.config.registry import builds, register
from unroll.nn.schedulers.constant import ConstantConfig, after_warmup


@register("scheduler", "auto")
@dataclass(kw_only=True, slots=True)
class AutoConfig(SchedulerConfig):
    """Config of the schedule that a run chooses.

    It is plateau where trainer.max_epochs is null, otherwise constant.
    """

    name: str = "auto"


@builds(AutoConfig)
def auto(config: AutoConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """A constant rate, outside of runs."""
    return after_warmup(ConstantConfig(), optimizer, steps, fall=lambda progress: 1.0)
