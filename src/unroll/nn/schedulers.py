"""Learning-rate schedules by name. All but `plateau` are a factor of the optimizer's rate at each step."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from unroll.components import SchedulerConfig
from unroll.registry import builds, register, require


@register("scheduler", "constant")
@dataclass(kw_only=True, slots=True)
class ConstantConfig(SchedulerConfig):
    """Config of a constant rate, after `warmup`, a share of all steps in which the rate rises from 0."""

    name: str = "constant"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        require(self, "warmup", 0 <= self.warmup < 1, "a share of all steps, in [0, 1)")


@register("scheduler", "linear")
@dataclass(kw_only=True, slots=True)
class LinearConfig(ConstantConfig):
    """Config of a rate that falls to `final` times itself in a straight line."""

    name: str = "linear"
    warmup: float = 0.05
    final: float = 0.0


@register("scheduler", "cosine")
@dataclass(kw_only=True, slots=True)
class CosineConfig(ConstantConfig):
    """Config of a rate that falls to `final` times itself along half a cosine (Loshchilov & Hutter 2017)."""

    name: str = "cosine"
    warmup: float = 0.05
    final: float = 0.0


@register("scheduler", "plateau")
@dataclass(kw_only=True, slots=True)
class PlateauConfig(SchedulerConfig):
    """Config of a rate that is multiplied by `factor` after `patience` validations without improvement."""

    name: str = "plateau"
    factor: float = 0.5
    patience: int = 2

    def __post_init__(self) -> None:
        require(self, "factor", 0 < self.factor < 1, "in (0, 1)")
        require(self, "patience", self.patience >= 0, "0 or more")


@builds(ConstantConfig)
def constant(config: ConstantConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """1, after the warm-up."""
    return _after_warmup(config, optimizer, steps, fall=lambda progress: 1.0)


@builds(LinearConfig)
def linear(config: LinearConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """From 1 to `final` in a straight line, after the warm-up."""
    return _after_warmup(config, optimizer, steps, fall=lambda progress: 1 - (1 - config.final) * progress)


@builds(CosineConfig)
def cosine(config: CosineConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str) -> LRScheduler:
    """From 1 to `final` along half a cosine, after the warm-up."""

    def fall(progress: float) -> float:
        return config.final + (1 - config.final) * (1 + math.cos(math.pi * progress)) / 2

    return _after_warmup(config, optimizer, steps, fall)


@builds(PlateauConfig)
def plateau(
    config: PlateauConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str
) -> ReduceLROnPlateau:
    """torch.optim's ReduceLROnPlateau, on the model's monitored metric ("min" or "max" is better)."""
    return ReduceLROnPlateau(
        optimizer, mode="max" if mode == "max" else "min", factor=config.factor, patience=config.patience
    )


def _after_warmup(
    config: ConstantConfig,
    optimizer: torch.optim.Optimizer,
    steps: int,
    fall: Callable[[float], float],
) -> LRScheduler:
    warmup = round(config.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return fall(min(1.0, (step - warmup) / max(1, steps - warmup)))

    return LambdaLR(optimizer, factor)
