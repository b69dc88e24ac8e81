"""A cell over time: stacked, in one or both directions, exact on padded batches."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.config.components import BlockConfig, CellConfig, Execution, InitialState, Padding
from unroll.config.registry import build
from unroll.errors import InputError
from unroll.nn.blocks.base import Block
from unroll.nn.cells.base import Cell, State, is_learnable
from unroll.nn.cells.fused import FusedCell, run_packed
from unroll.nn.optimizers.groups import Tuned
from unroll.nn.segments import Inputs, Lengths, Outputs, Run, checkpointed, run_segment, segments

PLAIN = "plain"
"""The block that is none."""


class Recurrence(nn.Module, Tuned):
    """`num_layers` cells above one another, in one direction or both, with dropout between layers.

    With a `block` each cell stands in one. `layers` are the cells of the layers where they differ.

    A padded batch gives each sequence what it would get alone, whatever the padding holds. Unless it is
    packed, the backward direction reads every sequence reversed within its own length, so that padding only
    ever follows the valid steps; final states are those of the last valid step.

    `execution` and `padding` say how it runs, with the same weights and, to rounding, the same results.
    With no layers it hands on what it is given. A learned initial state is one tensor for each of each
    cell's state, zero at first, and is added to the cell's own (or what `Cell.learned_state` makes of both).

    With `checkpoint_steps` the backward pass computes every segment of so many steps anew (-1: √T of them),
    which costs one more forward pass and keeps little more than the states between segments. In both
    directions the layers run one after another over all steps, so that each layer's outputs are kept too.

    States are a list of the cells' states in torch.nn's order: layer 0 forward, layer 0 backward, layer 1 …

    Raises:
        InputError: an execution that the cell does not have, packing without a fused kernel, or checkpointing
            of a kernel that runs both directions packed.
    """

    no_decay = frozenset({"learned_state"})

    def __init__(
        self,
        cell: CellConfig,
        input_size: int,
        hidden_size: int,
        *,
        block: BlockConfig | None = None,
        layers: Sequence[CellConfig] | None = None,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        initial_state: InitialState = InitialState.zeros,
        execution: Execution = Execution.auto,
        padding: Padding = Padding.auto,
        checkpoint_steps: int = 0,
    ) -> None:
        super().__init__()
        configs = [cell] * num_layers if layers is None else list(layers)
        self.num_layers = len(configs)
        self.directions = 2 if bidirectional else 1
        self.output_size = input_size
        # Around a cell a block has a dropout of its own: on the stream between blocks there is none.
        self.dropout = dropout if block is None or block.name == PLAIN else 0.0
        cells: list[Cell] = []
        for number, config in enumerate(configs):
            layer = [
                _make(config, block, self.output_size, hidden_size, dropout) for _ in range(self.directions)
            ]
            self.output_size = sum(one.output_size for one in layer)
            for one in layer:
                one.place(number, self.num_layers)
            cells += layer
        self.cells = nn.ModuleList(cells)
        self.execution, self.padding = execution, padding
        for one in cells:
            inner = one.cell if isinstance(one, Block) else one
            if isinstance(inner, FusedCell):
                inner.padding = padding
        for config, one in zip(configs, cells[:: self.directions], strict=True):
            found = _require_runnable(config.name, one, execution, padding)
            if self.execution in (Execution.auto, Execution.loop):  # of cells of several kinds, the fastest
                self.execution = found
        self.checkpoint_steps = checkpoint_steps
        if checkpoint_steps != 0 and bidirectional and padding is Padding.packed:
            raise InputError(
                f"model.checkpoint_steps={checkpoint_steps}: a packed kernel runs both directions at once; "
                "choose model.padding=auto"
            )
        self.learned_state = nn.ParameterList(
            torch.zeros_like(tensor[0])
            for one in (cells if initial_state is InitialState.learned else [])
            for tensor in one.initial_state(torch.zeros(1, one.input_size))
            if is_learnable(tensor)
        )

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> list[State]:
        """The initial state of every cell for a batch, with what is learned of it, on the device of x."""
        states = [cell.initial_state(x) for cell in self._all_cells()]
        if len(self.learned_state) == 0:
            return states
        learned = iter(self.learned_state)
        made: list[State] = []
        for cell, own in zip(self._all_cells(), states, strict=True):
            numbers = (next(learned).to(t.dtype).expand_as(t) if is_learnable(t) else t for t in own)
            made.append(cell.learned_state(own, tuple(numbers)))
        return made

    def example_state(self) -> list[State]:
        """The cells' own initial states with a batch of one, for their shapes and dtypes."""
        return [cell.initial_state(torch.zeros(1, cell.input_size)) for cell in self._all_cells()]

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: list[State] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], list[State]]:
        """Outputs of every step of the top layer, zero on padding, and every cell's final state.

        `state` is the initial one, instead of the recurrence's own.
        """
        if state is None:
            state = self.initial_state(x)
        run = self._in_segments if self.directions == 1 else _whole
        if lengths is None:
            return run(self._run_layers, x, state, None)
        beyond = ~mask_from_lengths(lengths, x.shape[1])[..., None]
        x = x.masked_fill(beyond, 0.0)  # huge values in the padding would reach the gradients
        outputs, final = run(self._run_layers, x, state, lengths)
        return outputs.masked_fill(beyond, 0.0), final

    def step(
        self, x: Float[Tensor, "batch input"], state: list[State]
    ) -> tuple[Float[Tensor, "batch output"], list[State]]:
        """One time step through all layers. Only a recurrence in one direction has steps."""
        if self.directions == 2:
            raise ValueError("a bidirectional recurrence has no step form: it needs the whole sequence")
        new: list[State] = []
        for layer in range(self.num_layers):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            x, after = self._cell(layer).step(x, state[layer])
            new.append(after)
        return x, new

    def truncated(
        self,
        x: Float[Tensor, "batch time input"],
        steps: int,
        state: list[State] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Iterator[tuple[Float[Tensor, "batch segment output"], list[State]]]:
        """Truncated backpropagation through time (Williams & Peng 1990): segments of so many steps.

        Each segment's outputs and final states, from which no gradient reaches the segment before. One that
        has been stepped on and forgotten takes no memory: the next is computed when it is asked for, with
        the weights of that moment. `x` is held in common, so that what made it must need no gradient.
        """
        if self.directions == 2:
            raise ValueError("a bidirectional recurrence cannot be truncated: it needs the whole sequence")
        if state is None:
            state = self.initial_state(x)
        for piece, remaining in segments(x, lengths, steps):
            outputs, state = run_segment(self, piece, state, remaining)
            state = [tuple(tensor.detach() for tensor in tensors) for tensors in state]
            yield outputs, state

    def _in_segments(
        self, run: Run, x: Inputs, state: list[State], lengths: Lengths | None
    ) -> tuple[Outputs, list[State]]:
        """`run`, checkpointed if that is asked for and there will be a backward pass."""
        if self.checkpoint_steps == 0 or self.num_layers == 0 or not torch.is_grad_enabled():
            return run(x, state, lengths)
        steps = self.checkpoint_steps if self.checkpoint_steps > 0 else math.isqrt(x.shape[1] - 1) + 1
        return checkpointed(run, x, state, lengths, steps, list(self.cells.parameters()))

    def _run_layers(
        self, x: Inputs, state: list[State], lengths: Lengths | None
    ) -> tuple[Outputs, list[State]]:
        """Layer by layer, over padding and all; or packed."""
        if self.padding is Padding.packed and lengths is not None and self.num_layers > 0:
            cells = [cell for cell in self.cells if isinstance(cell, FusedCell)]
            return run_packed(cells, x, state, lengths, directions=self.directions, dropout=self.dropout)
        run = self._in_segments if self.directions == 2 else _whole
        reverse = _reversal(lengths, x) if self.directions == 2 else None
        final: list[State] = []
        for layer in range(self.num_layers):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in range(self.directions):
                index = layer * self.directions + direction
                inputs = _take(x, reverse) if direction == 1 else x
                steps, (last,) = run(partial(self._run_cell, index), inputs, [state[index]], lengths)
                outputs.append(_take(steps, reverse) if direction == 1 else steps)
                final.append(last)
            x = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        return x, final

    def _run_cell(
        self, index: int, x: Inputs, state: list[State], lengths: Lengths | None
    ) -> tuple[Outputs, list[State]]:
        cell = self._cell(index)
        if self.execution is Execution.loop and cell.executions[0] is not Execution.loop:
            steps, last = cell.loop(x, state[0], lengths)
        else:
            steps, last = cell.sequence(x, state[0], lengths)
        return steps, [last]

    def _cell(self, index: int) -> Cell:
        cell = self.cells[index]
        assert isinstance(cell, Cell)
        return cell

    def _all_cells(self) -> list[Cell]:
        return [self._cell(index) for index in range(len(self.cells))]


def _make(
    cell: CellConfig, block: BlockConfig | None, input_size: int, hidden_size: int, dropout: float
) -> Cell:
    """The cell of a layer, in its block."""

    def make_cell(input_size: int, hidden_size: int) -> Cell:
        made: Cell = build(cell, input_size, hidden_size)
        return made

    if block is None:
        return make_cell(input_size, hidden_size)
    made: Cell = build(block, input_size, hidden_size, make_cell, dropout)
    return made


def _whole(run: Run, x: Inputs, state: list[State], lengths: Lengths | None) -> tuple[Outputs, list[State]]:
    return run(x, state, lengths)


def _require_runnable(name: str, cell: Cell, execution: Execution, padding: Padding) -> Execution:
    """How the cell runs, with `auto` resolved; an `InputError` where it cannot run as it is told to."""
    known = ", ".join(choice.value for choice in (Execution.auto, *cell.executions))
    if execution is Execution.auto:
        execution = cell.executions[0]
    elif execution not in cell.executions:
        raise InputError(f"model.execution={execution.value}: the cell {name} has {known}")
    if padding is Padding.packed and isinstance(cell, Block):
        raise InputError("model.padding=packed: a kernel runs packed without a block around it; choose auto")
    if padding is Padding.packed and execution is not Execution.fused:
        raise InputError(
            f"model.padding=packed: only fused kernels run packed, and the cell {name} runs as "
            f"{execution.value}; choose auto, frozen or masked"
        )
    return execution


def _reversal(
    lengths: Int[Tensor, " batch"] | None, x: Float[Tensor, "batch time _"]
) -> Int[Tensor, "batch time"]:
    """Time indices that reverse each sequence within its length and leave its padding in place."""
    steps = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
    if lengths is None:
        return steps.flip(1)
    backwards = lengths[:, None] - 1 - steps
    return torch.where(backwards >= 0, backwards, steps)


def _take(
    x: Float[Tensor, "batch time features"], index: Int[Tensor, "batch time"] | None
) -> Float[Tensor, "batch time features"]:
    assert index is not None
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
