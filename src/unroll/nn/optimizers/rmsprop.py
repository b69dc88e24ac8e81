"""RMSprop (Hinton 2012)."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from unroll.config.components import OptimizerConfig
from unroll.config.registry import builds, register


@register("optimizer", "rmsprop")
@dataclass(kw_only=True, slots=True)
class RMSpropConfig(OptimizerConfig):
    """Config of RMSprop (Hinton 2012).

    Attributes:
        momentum: share of the step before that is added to each; 0 is none
    """

    name: str = "rmsprop"
    lr: float = 1e-3
    momentum: float = 0.0


@builds(RMSpropConfig)
def rmsprop(config: RMSpropConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """torch.optim.RMSprop."""
    return torch.optim.RMSprop(
        parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
    )
