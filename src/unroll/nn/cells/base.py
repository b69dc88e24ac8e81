"""What every recurrent cell offers: a step form and a sequence form."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Inexact, Int, Shaped
from torch import Tensor, nn

from unroll.config.components import Execution
from unroll.nn.optimizers.groups import Tuned

State = tuple[Shaped[Tensor, "_rows ..."], ...]
"""A cell's state: its tensors in the order of `state_shapes`, each with the batch before its own shape."""

OutputAndState = tuple[Float[Tensor, "batch output"], State]
"""What one step gives."""


class Cell(nn.Module, Tuned, ABC):
    """One recurrent layer in one direction. A new cell needs no more than `step`.

    `step` reads one time step and gives an output and the new state. The output is a vector of `output_size`
    values. The state is what the cell carries along: any number of tensors of any shape and dtype, as a
    vector h, a matrix for each head, a ring buffer of the last inputs. What it is, some members say; by
    default it is one vector h of `hidden_size` values that starts at zero:

    - `state_shapes` names each tensor and gives its shape, without the batch. (Graphs use the names x, y and
      step for something else.)
    - `initial_state` is the state before the first step: override it for another value than zero, or another
      dtype than that of x.
    - `state_from` makes a state from numbers that a layer has computed, where one is wanted to start from:
      override it where not every number will do. `learned_state` makes one of numbers that are learned.

    A cell with a faster way to run than step by step names it in `executions`, first, and overrides
    `sequence` with it. One that has only the loop may override it too, with a leaner one. Whatever runs, a
    padded batch has to give each sequence what it would get alone: `lengths` says where each ends, x is zero
    after that, and the outputs there may be any finite numbers.

    `no_decay` and `lr_scale` say how the optimizer treats the cell's parameters (`Tuned`).
    """

    executions: ClassVar[tuple[Execution, ...]] = (Execution.loop,)

    def __init__(self, input_size: int, hidden_size: int, output_size: int | None = None) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = hidden_size if output_size is None else output_size

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """The name of each tensor of the state, and its shape without the batch."""
        return {"h": (self.hidden_size,)}

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        """One time step: the output, and the state after reading x."""

    def loop(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """All time steps, one `step` at a time: every step's output, and the final state.

        The final state is that of each sequence's last valid step: where a sequence has ended, the state
        stays as it is.
        """
        outputs = []
        for t, x_t in enumerate(x.unbind(dim=1)):  # slices would each make a gradient of all T steps
            output, new = self.step(x_t, state)
            state = new if lengths is None else where_alive(t < lengths, new, state)
            outputs.append(output)
        return torch.stack(outputs, dim=1), state

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """The same as `loop` on the valid steps, to rounding, the fastest way that the cell has."""
        return self.loop(x, state, lengths)

    def place(self, layer: int, layers: int) -> None:  # most cells are the same in all layers
        """Called once by a stack: this is its layer number `layer` of so many, counted from 0."""

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        """Zeros, on the device and in the dtype of x."""
        return tuple(x.new_zeros(x.shape[0], *shape) for shape in self.state_shapes.values())

    def state_from(self, numbers: State) -> State:
        """A state made of any numbers of its shapes, as a bridge or a context gives them: tanh of each.

        (Of both parts of complex ones; and counts are right already.)
        """
        return tuple(_tanh(tensor) if is_learnable(tensor) else tensor for tensor in numbers)

    def learned_state(self, own: State, learned: State) -> State:
        """The state before the first step, from the cell's own and from numbers that are learned: their sum.

        Override it where the sum would not do, as where the cell's own is infinite. Counts stay as they are.
        """
        return tuple(
            tensor + number if is_learnable(tensor) else tensor
            for tensor, number in zip(own, learned, strict=True)
        )


def where_alive(alive: Bool[Tensor, " batch"], new: State, old: State) -> State:
    """The `new` state of the sequences that go on, the `old` one of those that have ended."""
    return tuple(
        torch.where(alive.view(-1, *(1,) * (after.ndim - 1)), after, before)
        for after, before in zip(new, old, strict=True)
    )


def _tanh(numbers: Tensor) -> Tensor:
    if numbers.is_complex():
        return torch.complex(numbers.real.tanh(), numbers.imag.tanh())
    return numbers.tanh()


def is_learnable(tensor: Tensor) -> bool:
    """Whether a state tensor can be learned or projected, and is no count, say."""
    return tensor.is_floating_point() or tensor.is_complex()


def last_valid(
    steps: Inexact[Tensor, " batch time *shape"], lengths: Int[Tensor, " batch"] | None
) -> Inexact[Tensor, " batch *shape"]:
    """The last valid step of each sequence."""
    if lengths is None:
        return steps[:, -1]
    index = (lengths - 1).view(-1, 1, *(1,) * (steps.ndim - 2)).expand(-1, 1, *steps.shape[2:])
    return steps.gather(1, index).squeeze(1)
