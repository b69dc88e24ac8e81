"""How large a model is, and the hidden size that a budget stands for."""

import dataclasses
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unroll.config.components import HIDDEN_SIZE_LIMIT, ModelConfig, RecurrentConfig
from unroll.config.layers import cells_of
from unroll.errors import InputError
from unroll.nn.cells.base import Cell
from unroll.nn.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class ModelSize:
    """How large a model is: its parameters, the numbers of its state, the multiply-adds of a step."""

    parameters: int
    state_size: int
    step_operations: int

    @classmethod
    def of(cls, model: nn.Module) -> "ModelSize":
        """The size of a model."""
        return cls(parameter_count(model), state_count(model), step_operations(model))


def parameter_count(model: nn.Module) -> int:
    """The trainable parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def state_count(model: nn.Module) -> int:
    """The numbers that the recurrences of a model carry from step to step, for one sequence.

    A complex number is two.
    """
    return sum(
        tensor.numel() * (2 if tensor.is_complex() else 1)
        for recurrence in _recurrences(model)
        for state in recurrence.example_state()
        for tensor in state
    )


@torch.no_grad()
def step_operations(model: nn.Module) -> int:
    """The multiply-adds in the matrix products of one step of all recurrences, for one sequence."""
    with FlopCounterMode(display=False) as counter:
        for recurrence in _recurrences(model):
            for cell in recurrence.cells:
                assert isinstance(cell, Cell)
                x = next(cell.parameters()).new_zeros(1, cell.input_size)
                was_training = cell.training
                cell.eval().step(x, cell.initial_state(x))
                cell.train(was_training)
    return int(counter.get_total_flops()) // 2


def resolve_size(config: ModelConfig, make: Callable[[ModelConfig], nn.Module]) -> ModelConfig:
    """The config with the largest hidden size whose model keeps to its `parameters` or `state_size`.

    The hidden size is a multiple of the heads of every cell. A config with neither is returned as it is.
    `make` builds the model of a config.

    Raises:
        InputError: no hidden size is small enough.
    """
    if not isinstance(config, RecurrentConfig):
        return config
    budget, key, count = config.parameters, "parameters", parameter_count
    if budget is None:
        budget, key, count = config.state_size, "state_size", state_count
    if budget is None:
        return config
    unsized = dataclasses.replace(config, parameters=None, state_size=None)
    unit = math.lcm(*(cell.unit() for cell in cells_of(config)))

    def size(units: int) -> int:
        with torch.device("meta"):  # takes neither memory nor random numbers
            return count(make(dataclasses.replace(unsized, hidden_size=unit * units)))

    # More units have more of everything, so the number of sizes that fit the budget is the largest of them.
    units = bisect_right(range(1, HIDDEN_SIZE_LIMIT // unit + 1), budget, key=size)
    if units == 0:
        raise InputError(
            f"model.{key}={budget}: with hidden_size={unit} this {config.name} has {size(1)} already; "
            "give as many or more"
        )
    return dataclasses.replace(unsized, hidden_size=unit * units)


def _recurrences(model: nn.Module) -> list[Recurrence]:
    return [module for module in model.modules() if isinstance(module, Recurrence)]
