"""The hidden size for a budget of parameters, so that architectures can be compared at one size."""

import dataclasses
from bisect import bisect_right
from collections.abc import Callable

import torch
from torch import nn

from unroll.config.components import HIDDEN_SIZE_LIMIT, ModelConfig, RecurrentConfig
from unroll.errors import InputError


def resolve_size(config: ModelConfig, make: Callable[[ModelConfig], nn.Module]) -> ModelConfig:
    """The config with the largest hidden size whose model has at most `parameters` trainable parameters.

    A config without `parameters` is returned as it is. `make` builds the model of a config.

    Raises:
        InputError: no hidden size is small enough.
    """
    if not isinstance(config, RecurrentConfig) or config.parameters is None:
        return config
    budget = config.parameters
    unsized = dataclasses.replace(config, parameters=None)

    def count(hidden_size: int) -> int:
        with torch.device("meta"):  # takes neither memory nor random numbers
            model = make(dataclasses.replace(unsized, hidden_size=hidden_size))
        return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)

    # More units have more parameters, so the number of sizes that fit the budget is the largest such size.
    hidden_size = bisect_right(range(1, HIDDEN_SIZE_LIMIT + 1), budget, key=count)
    if hidden_size == 0:
        raise InputError(
            f"model.parameters={budget}: with hidden_size=1 this {config.name} has {count(1)} already; "
            "give as many or more"
        )
    return dataclasses.replace(unsized, hidden_size=hidden_size)
