"""Every cell, in every way of running it, for the tests that all of them must pass."""

import pytest
import torch
from conftest import entries

from unroll.config.components import Execution, Padding
from unroll.config.registry import from_dict
from unroll.nn.cells.base import Cell
from unroll.nn.recurrence import Recurrence

CELLS = [{"name": name} for name in entries("model/cell")] + [{"name": "rnn", "nonlinearity": "relu"}]


def label(cell):
    return "-".join(cell.values())


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def recurrence(cell, input_size=3, **options):
    return Recurrence(from_dict("model/cell", cell), input_size, 4, **options)


def ways(cell):
    """Every execution and padding that a cell can run with."""
    executions = recurrence(cell).cells[0].executions
    yield from ({"execution": execution, "padding": Padding.frozen} for execution in executions)
    yield {"padding": Padding.masked}
    if Execution.fused in executions:
        yield {"padding": Padding.packed}


every_way = pytest.mark.parametrize(
    ("cell", "way"),
    [(cell, way) for cell in CELLS for way in ways(cell)],
    ids=lambda values: "-".join(str(getattr(value, "value", value)) for value in values.values()),
)


def random_state(module, batch, dtype=torch.float32):
    return [
        tuple(torch.randn_like(tensor).requires_grad_() for tensor in state)
        for state in module.initial_state(torch.empty(batch, dtype=dtype))
    ]


def loss_of(outputs, final):
    return outputs.square().sum() + sum(tensor.square().sum() for state in final for tensor in state)


def gradients(loss, module, x, state):
    wanted = [x, *(tensor for tensors in state for tensor in tensors), *module.parameters()]
    return torch.autograd.grad(loss, wanted, materialize_grads=True)


class Leaky(Cell):
    """A cell with a step and no more."""

    state_names = ("h", "c")

    def __init__(self):
        super().__init__(3, 4)
        self.weight = torch.nn.Parameter(torch.randn(4, 3))

    def step(self, x, state):
        h, c = state
        return x @ self.weight.mT + 0.5 * h, c + h
