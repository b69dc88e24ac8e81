"""Every cell, in every way of running it, for the tests that all of them must pass."""

import math
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from conftest import entries

from unroll.config.components import CellConfig, Execution, Padding
from unroll.config.registry import builds, from_dict
from unroll.inspect.gates import EQUATIONS
from unroll.nn.cells.base import Cell, is_learnable, last_valid
from unroll.nn.engines.scan import linear_scan
from unroll.nn.recurrence import Recurrence


@dataclass(kw_only=True, slots=True)
class MatrixConfig(CellConfig):
    """Config of a cell for the tests alone."""

    name: str = "matrix"


@builds(MatrixConfig)
class Matrix(Cell):
    """A small mLSTM (Beck et al. 2024, arXiv:2405.04517): a matrix C for each of two heads.

    The output is not in the state, and the stabiliser m starts at -∞.
    """

    no_decay = frozenset({"gates"})

    def __init__(self, config, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.heads, self.size = 2, hidden_size // 2
        self.project = torch.nn.Linear(input_size, 3 * hidden_size)
        self.gates = torch.nn.Linear(input_size, 2 * self.heads)

    @property
    def state_shapes(self):
        return {"C": (self.heads, self.size, self.size), "n": (self.heads, self.size), "m": (self.heads,)}

    def initial_state(self, x):
        memory, n, m = super().initial_state(x)
        return memory, n, m.fill_(-math.inf)

    def step(self, x, state):
        memory, n, m = state
        q, k, v = self.project(x).view(-1, 3, self.heads, self.size).unbind(dim=1)
        i, f = self.gates(x).chunk(2, dim=-1)
        f = F.logsigmoid(f) + m
        m = torch.maximum(f, i)
        f, i = (f - m).exp()[..., None], (i - m).exp()[..., None]
        memory = f[..., None] * memory + i[..., None] * v[..., :, None] * k[..., None, :]
        n = f * n + i * k
        weight = (n * q).sum(dim=-1, keepdim=True).abs() + 1.0
        return ((memory @ q[..., None]).squeeze(-1) / weight).flatten(1), (memory, n, m)


@dataclass(kw_only=True, slots=True)
class BufferConfig(CellConfig):
    """Config of a cell for the tests alone."""

    name: str = "buffer"
    steps: int = 2


@builds(BufferConfig)
class Buffer(Cell):
    """A causal convolution: the state is the last inputs, and the number of steps that were read.

    The output has one value more than the hidden size.
    """

    def __init__(self, config, input_size, hidden_size):
        super().__init__(input_size, hidden_size, hidden_size + 1)
        self.steps = config.steps
        self.weight = torch.nn.Parameter(torch.randn(self.output_size, config.steps + 1, input_size))
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.lr_scale = {"scale": 0.1}

    @property
    def state_shapes(self):
        return {"last": (self.steps, self.input_size), "count": ()}

    def initial_state(self, x):
        last, count = super().initial_state(x)
        return last, count.long()

    def step(self, x, state):
        last, count = state
        seen = torch.cat([last, x[:, None]], dim=1)
        output = torch.tanh(self.scale * torch.einsum("bki,oki->bo", seen, self.weight))
        return output / (1 + count[:, None]), (seen[:, 1:], count + 1)


@dataclass(kw_only=True, slots=True)
class RotationConfig(CellConfig):
    """Config of a cell for the tests alone."""

    name: str = "rotation"


@builds(RotationConfig)
class Rotation(Cell):
    """A complex, linear recurrence, as the LRU's (Orvieto et al. 2023, arXiv:2303.06349), run as a scan."""

    executions = (Execution.scan, Execution.loop)

    def __init__(self, config, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.angle = torch.nn.Parameter(torch.randn(hidden_size))
        self.weight = torch.nn.Parameter(0.1 * torch.randn(2 * hidden_size, input_size))

    def initial_state(self, x):
        return tuple(torch.complex(tensor, tensor) for tensor in super().initial_state(x))

    def _terms(self, x):
        inputs = torch.complex(*F.linear(x, self.weight).to(self.weight.dtype).chunk(2, dim=-1))
        return torch.polar(torch.full_like(self.angle, 0.9), self.angle).expand_as(inputs), inputs

    def step(self, x, state):
        decay, inputs = self._terms(x)
        h = decay * state[0] + inputs
        return h.real, (h,)

    def sequence(self, x, state, lengths=None):
        h = linear_scan(*self._terms(x), state[0])
        return h.real, (last_valid(h, lengths),)


STRANGE = [MatrixConfig(), BufferConfig(), RotationConfig()]
"""Cells whose states are no vectors, or not real, or not the output."""

CELLS = [{"name": name} for name in entries("model/cell")] + [{"name": "rnn", "nonlinearity": "relu"}]


def label(cell):
    return cell.name if isinstance(cell, CellConfig) else "-".join(cell.values())


def way_label(way):
    return "-".join(choice.value for choice in way.values())


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def recurrence(cell, input_size=3, **options):
    config = cell if isinstance(cell, CellConfig) else from_dict("model/cell", cell)
    return Recurrence(config, input_size, 4, **options)


WITH_GATES = [cell for cell in CELLS if type(recurrence(cell).cells[0]) in EQUATIONS]
"""Those whose gates can be looked into: the state's h is the output, of hidden size."""


def ways(cell):
    """Every execution and padding that a cell can run with."""
    executions = recurrence(cell).cells[0].executions
    yield from ({"execution": execution, "padding": Padding.frozen} for execution in executions)
    yield {"padding": Padding.masked}
    if Execution.fused in executions:
        yield {"padding": Padding.packed}


def in_every_way(cells):
    return pytest.mark.parametrize(
        ("cell", "way"),
        [(cell, way) for cell in cells for way in ways(cell)],
        ids=lambda one: way_label(one) if isinstance(one, dict) and "padding" in one else label(one),
    )


every_way = in_every_way(CELLS + STRANGE)
strange = pytest.mark.parametrize("cell", STRANGE, ids=label)


def random_state(module, batch, dtype=torch.float32):
    return [
        tuple(random_like(tensor) for tensor in state)
        for state in module.initial_state(torch.empty(batch, dtype=dtype))
    ]


def random_like(tensor):
    """Random numbers that need a gradient; or a random count."""
    if is_learnable(tensor):
        return torch.randn_like(tensor).requires_grad_()
    return torch.randint_like(tensor, 5)


def learnable(state):
    return [tensor for tensors in state for tensor in tensors if is_learnable(tensor)]


def loss_of(outputs, final):
    return outputs.square().sum() + sum(tensor.abs().square().sum() for tensor in learnable(final))


def gradients(loss, module, x, state):
    return torch.autograd.grad(loss, [x, *learnable(state), *module.parameters()], materialize_grads=True)


class Leaky(Cell):
    """A cell with a step, two vectors, and no more."""

    def __init__(self):
        super().__init__(3, 4)
        self.weight = torch.nn.Parameter(torch.randn(4, 3))

    def step(self, x, state):
        h, c = state
        new = x @ self.weight.mT + 0.5 * h
        return new, (new, c + h)

    @property
    def state_shapes(self):
        return {"h": (4,), "c": (4,)}
