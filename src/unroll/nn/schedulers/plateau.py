"""A rate that falls when nothing improves."""

from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from unroll.config.components import SchedulerConfig
from unroll.config.registry import builds, register, require


@register("scheduler", "plateau")
@dataclass(kw_only=True, slots=True)
class PlateauConfig(SchedulerConfig):
    """Config of a rate that falls when nothing improves.

    Attributes:
        factor: what the rate is multiplied by
        patience: validations without improvement, after which it is
    """

    name: str = "plateau"
    factor: float = 0.5
    patience: int = 2

    def __post_init__(self) -> None:
        require(self, "factor", 0 < self.factor < 1, "in (0, 1)")
        require(self, "patience", self.patience >= 0, "0 or more")


@builds(PlateauConfig)
def plateau(
    config: PlateauConfig, optimizer: torch.optim.Optimizer, steps: int, mode: str
) -> ReduceLROnPlateau:
    """torch.optim's ReduceLROnPlateau, on the model's monitored metric ("min" or "max" is better)."""
    return ReduceLROnPlateau(
        optimizer, mode="max" if mode == "max" else "min", factor=config.factor, patience=config.patience
    )
