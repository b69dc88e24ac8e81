"""Optimizers by name."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from unroll.components import OptimizerConfig
from unroll.registry import builds, register, require


@register("optimizer", "adam")
@dataclass(kw_only=True, slots=True)
class AdamConfig(OptimizerConfig):
    """Config of Adam (Kingma & Ba 2015). Its weight decay is part of the gradient."""

    name: str = "adam"
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999


@register("optimizer", "adamw")
@dataclass(kw_only=True, slots=True)
class AdamWConfig(OptimizerConfig):
    """Config of AdamW (Loshchilov & Hutter 2019). Its weight decay is apart from the gradient."""

    name: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999


@register("optimizer", "rmsprop")
@dataclass(kw_only=True, slots=True)
class RMSpropConfig(OptimizerConfig):
    """Config of RMSprop (Hinton 2012)."""

    name: str = "rmsprop"
    lr: float = 1e-3
    momentum: float = 0.0


@register("optimizer", "sgd")
@dataclass(kw_only=True, slots=True)
class SGDConfig(OptimizerConfig):
    """Config of stochastic gradient descent."""

    name: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        OptimizerConfig.__post_init__(self)
        require(self, "momentum", 0 <= self.momentum < 1, "in [0, 1)")
        require(self, "nesterov", not self.nesterov or self.momentum > 0, "false where momentum is 0")


@builds(AdamConfig)
def adam(config: AdamConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """torch.optim.Adam."""
    betas = (config.beta1, config.beta2)
    return torch.optim.Adam(parameters, lr=config.lr, betas=betas, weight_decay=config.weight_decay)


@builds(AdamWConfig)
def adamw(config: AdamWConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """torch.optim.AdamW."""
    betas = (config.beta1, config.beta2)
    return torch.optim.AdamW(parameters, lr=config.lr, betas=betas, weight_decay=config.weight_decay)


@builds(RMSpropConfig)
def rmsprop(config: RMSpropConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """torch.optim.RMSprop."""
    return torch.optim.RMSprop(
        parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
    )


@builds(SGDConfig)
def sgd(config: SGDConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """torch.optim.SGD."""
    return torch.optim.SGD(
        parameters,
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )
