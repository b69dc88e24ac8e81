"""What every block offers: to a stack it is a cell."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.config.components import Norm
from unroll.nn.cells.base import Cell, OutputAndState, State

MakeCell = Callable[[int, int], Cell]
"""From the size of what a cell reads and its hidden size to the cell that the config names."""

Steps = Float[Tensor, "batch *time _"]
Inner = Callable[[Steps, State], tuple[Steps, State]]
"""The cell of a block over what it is given: one step or all of them."""


class Block(Cell, ABC):
    """A cell, and around it layers that see each step alone, on a stream of `hidden_size` values.

    Inputs of another size are projected into the stream, and the last block of a stack norms it. Its state
    is the cell's, after what the block itself has to keep. A subclass sets `mlp` and `dropout`.
    """

    mlp: nn.Module | None
    dropout: float

    def __init__(self, input_size: int, hidden_size: int, cell: Cell, norm: Norm) -> None:
        super().__init__(input_size, hidden_size)
        self.executions = cell.executions  # type: ignore[misc]  # those of its cell, not of its class
        self.cell = cell
        self.stream = nn.Identity() if input_size == hidden_size else nn.Linear(input_size, hidden_size)
        self.norm = make_norm(norm, hidden_size)
        self.last_norm: nn.Module = nn.Identity()
        self._norm = norm

    def place(self, layer: int, layers: int) -> None:
        self.cell.place(layer, layers)
        if layer == layers - 1:
            self.last_norm = make_norm(self._norm, self.hidden_size)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {**self.own_shapes, **self.cell.state_shapes}

    @property
    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """What the block keeps besides its cell's state: names and shapes as in `state_shapes`."""
        return {}

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        own = tuple(x.new_zeros(x.shape[0], *shape) for shape in self.own_shapes.values())
        return *own, *self.cell.initial_state(x)

    def state_from(self, numbers: State) -> State:
        count = len(self.own_shapes)
        return *numbers[:count], *self.cell.state_from(numbers[count:])

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        return self._run(x, state, self.cell.step, None)

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        if lengths is None:
            return self._run(x, state, self.cell.sequence, None)
        beyond = ~mask_from_lengths(lengths, x.shape[1])[..., None]

        def inner(steps: Steps, state: State) -> tuple[Steps, State]:
            return self.cell.sequence(steps.masked_fill(beyond, 0.0), state, lengths)

        return self._run(x, state, inner, lengths)

    def _run(
        self, x: Steps, state: State, inner: Inner, lengths: Int[Tensor, " batch"] | None
    ) -> tuple[Steps, State]:
        stream, state = self.around(self.stream(x), state, inner, lengths)
        return self.last_norm(stream), state

    @abstractmethod
    def around(
        self, stream: Steps, state: State, inner: Inner, lengths: Int[Tensor, " batch"] | None
    ) -> tuple[Steps, State]:
        """The stream after the block, whose cell is run by `inner`, and the new state."""

    def add(self, stream: Steps, outputs: Steps) -> Steps:
        """The stream with the cell's projected outputs, and then what the MLP makes of it; with dropout."""
        stream = stream + F.dropout(outputs, self.dropout, self.training)
        if self.mlp is not None:
            stream = stream + F.dropout(self.mlp(stream), self.dropout, self.training)
        return stream


def make_norm(norm: Norm, size: int) -> nn.Module:
    """A norm of each step by itself."""
    match norm:
        case Norm.rms:
            return nn.RMSNorm(size, eps=1e-6)
        case Norm.layer:
            return nn.LayerNorm(size)
        case Norm.none:
            return nn.Identity()
