"""What cells with a matrix for each head share: how they run, their norm, and how gates start."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.config.components import Execution
from unroll.errors import InputError
from unroll.nn.cells.base import Cell, OutputAndState, State

Engine = Callable[..., tuple[Tensor, Tensor]]
"""From what a step reads and writes, and the matrix before, to all outputs and the matrix after."""


class MatrixCell(Cell):
    """A cell that is an engine with layers before and after it, which see each step alone.

    The state holds a matrix (heads, key, value). A subclass says in `run` how steps become what its engine
    takes; the step form is the engine's loop over one step, the sequence form its chunks.
    """

    executions = (Execution.chunk, Execution.loop)
    loop_engine: ClassVar[Engine]
    chunk_engine: ClassVar[Engine]

    def __init__(self, input_size: int, hidden_size: int, heads: int) -> None:
        super().__init__(input_size, hidden_size)
        self.heads = heads
        self.head_size = size_of_a_head(hidden_size, heads)
        self.norm = HeadNorm(hidden_size, heads)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"S": (self.heads, self.head_size, self.head_size)}

    @abstractmethod
    def run(
        self,
        engine: Engine,
        x: Float[Tensor, "batch time input"],
        state: State,
        valid: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """All steps by an engine; one that is not `valid` changes nothing of the state."""

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        outputs, state = self.run(type(self).loop_engine, x[:, None], state, None)
        return outputs[:, 0], state

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        valid = None if lengths is None else mask_from_lengths(lengths, x.shape[1])
        return self.run(type(self).chunk_engine, x, state, valid)

    def split(self, x: Float[Tensor, "batch time units"]) -> Float[Tensor, "batch time heads head"]:
        """The units of each head."""
        return x.reshape(*x.shape[:-1], self.heads, -1)


class HeadNorm(nn.Module):
    """RMS norm of each head (Zhang & Sennrich 2019, arXiv:1910.07467), then a weight for each unit."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Float[Tensor, "*batch heads head"]) -> Float[Tensor, "*batch units"]:
        """Normed heads, side by side."""
        normed = F.rms_norm(x, x.shape[-1:], eps=1e-6).flatten(-2)
        return normed * self.weight


def size_of_a_head(hidden_size: int, heads: int) -> int:
    """The units of each of so many heads.

    Raises:
        InputError: the hidden size is no multiple of the heads.
    """
    if hidden_size % heads:
        raise InputError(
            f"model.hidden_size={hidden_size}: is no multiple of model.cell.heads={heads}; take one, or "
            "another number of heads"
        )
    return hidden_size // heads


def masked(
    gate: Float[Tensor, "batch time *units"], valid: Bool[Tensor, "batch time"] | None, value: float
) -> Tensor:
    """A gate that has `value` where a step is padding."""
    if valid is None:
        return gate
    return gate.masked_fill(~valid.view(*valid.shape, *(1,) * (gate.ndim - 2)), value)


def bias_of_steps(heads: int) -> Tensor:
    """δ with softplus(δ) log-uniform from 0.001 to 0.1."""
    steps = torch.empty(heads).uniform_(math.log(1e-3), math.log(0.1)).exp()
    return steps + torch.log(-torch.expm1(-steps))  # the inverse of softplus
