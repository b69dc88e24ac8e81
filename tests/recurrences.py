"""Every cell, in every way of running it, for the tests that all of them must pass."""

import dataclasses
import math
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from conftest import entries

from unroll.config.components import CellConfig, Execution, GatedCellConfig, Padding
from unroll.config.registry import build, builds, config_class, from_dict, register
from unroll.inspect.gates import EQUATIONS
from unroll.nn.cells.base import Cell, is_learnable, last_valid
from unroll.nn.engines.scan import linear_scan
from unroll.nn.recurrence import Recurrence


@register("model/cell", "matrix")
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


@register("model/cell", "buffer")
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


@register("model/cell", "rotation")
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

SMALL = (("heads", 2), ("state_size", 3), ("window", 6))


def small(name, **options):
    """A cell's config as plain values, with few heads and a small state."""
    fields = {field.name for field in dataclasses.fields(config_class("model/cell", name))}
    return {"name": name, **{key: value for key, value in SMALL if key in fields}, **options}


def is_classic(name):
    return issubclass(config_class("model/cell", name), GatedCellConfig)


CLASSIC = [small(name) for name in entries("model/cell") if is_classic(name)]
CLASSIC += [small("rnn", nonlinearity="relu")]
"""Cells whose gates stand in `weight_ih` and `weight_hh`."""

MODERN = [small(name) for name in entries("model/cell") if not is_classic(name)]
MODERN += [
    small("gated_delta", decay=False, negative_eigenvalues=True, householders=2),
    small("gla", hgrn2=True),
    small("lru", state_size=None),
]

CELLS = CLASSIC + MODERN


def label(cell):
    """As "rnn-relu" or "gated_delta-decay=False": what sets it apart."""
    if isinstance(cell, CellConfig):
        return cell.name
    apart = {key: value for key, value in cell.items() if key != "name" and (key, value) not in SMALL}
    words = [value if isinstance(value, str) else f"{key}={value}" for key, value in apart.items()]
    return "-".join([cell["name"], *words])


def way_label(way):
    return "-".join(choice.value for choice in way.values())


def close(actual, expected, most=1e-5):
    """Nested tensors differ by no more than this, in units of the largest number of each, or of 1."""
    if expected is None:
        assert actual is None
        return
    if isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            close(one, other, most)
        return
    scale = max(1.0, expected.detach().abs().max().item()) if expected.numel() else 1.0
    torch.testing.assert_close(actual, expected, rtol=most, atol=most * scale, equal_nan=False)


def config_of(cell):
    return cell if isinstance(cell, CellConfig) else from_dict("model/cell", cell)


def hidden_size(cell):
    """4; but 8 for cells with heads, so that the norm of a head has more than two numbers to divide by."""
    return 8 if "heads" in {field.name for field in dataclasses.fields(config_of(cell))} else 4


def make_cell(cell, input_size=3, size=None):
    return awake(build(config_of(cell), input_size, size or hidden_size(cell)))


def recurrence(cell, input_size=3, **options):
    module = Recurrence(config_of(cell), input_size, hidden_size(cell), **options)
    awake(module.cells)
    return module


def awake(module):
    """The module with other weights in place of those that start at zero: they would hide what they do."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.is_meta and not parameter.any():
                parameter.normal_(0.0, 0.5)
    return module


WITH_GATES = [cell for cell in CELLS if type(recurrence(cell).cells[0]) in EQUATIONS]
"""Those whose gates can be looked into: the state's h is the output, of hidden size."""


def ways(cell):
    """Every execution and padding that a cell can run with. (How it is padded, most cells do not ask.)"""
    executions = make_cell(cell).executions
    yield from ({"execution": execution, "padding": Padding.frozen} for execution in executions)
    if cell not in MODERN:
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
    """Any state of each cell of a recurrence that the cell can be in."""
    return [random_state_of(cell, batch, dtype) for cell in module.cells]


def random_state_of(cell, batch, dtype=torch.float32):
    numbers = tuple(random_like(tensor) for tensor in cell.initial_state(torch.empty(batch, dtype=dtype)))
    return tuple(
        made.detach().requires_grad_() if is_learnable(made) else count
        for made, count in zip(cell.state_from(numbers), numbers, strict=True)
    )


def random_like(tensor):
    """Random numbers; or a random count."""
    if is_learnable(tensor):
        return torch.randn_like(tensor)
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
