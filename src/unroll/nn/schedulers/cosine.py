"""A rate that falls along half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983)."""

import math
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LRScheduler

from unroll.config.registry import builds, register
from unroll.nn.schedulers.constant import FallingConfig, after_warmup


@register("scheduler", "cosine")
@dataclass(kw_only=True, slots=True)
class CosineConfig(FallingConfig):
    """Config of a rate that falls along half a cosine (Loshchilov & Hutter 2017)."""

    name: str = "cosine"


@builds(CosineConfig)
def cosine(config: CosineConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """From 1 to `final` along half a cosine, after the warm-up."""

    def fall(progress: float) -> float:
        return config.final + (1 - config.final) * (1 + math.cos(math.pi * progress)) / 2

    return after_warmup(config, optimizer, steps, fall)
