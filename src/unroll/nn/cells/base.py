"""What every recurrent cell offers: a step form and a sequence form."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.config.components import Execution, Padding

State = tuple[Float[Tensor, "_rows hidden"], ...]
"""A cell's state: (h,) or (h, c). The first tensor is the cell's output."""


class Cell(nn.Module, ABC):
    """One recurrent layer in one direction. A new cell needs no more than `step`.

    A cell with a faster way to run than step by step names it in `executions`, first, and overrides
    `sequence` with it.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h",)
    executions: ClassVar[tuple[Execution, ...]] = (Execution.loop,)

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """One time step: the state after reading x."""

    def loop(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """All time steps, one `step` at a time: every step's output, and the final state.

        The final state is that of each sequence's last valid step: where a sequence has ended, the state
        stays as it is.
        """
        outputs = []
        for t, x_t in enumerate(x.unbind(dim=1)):  # slices would each make a gradient of all T steps
            new = self.step(x_t, state)
            if lengths is not None:
                alive = (t < lengths)[:, None]
                new = tuple(
                    torch.where(alive, after, before) for after, before in zip(new, state, strict=True)
                )
            state = new
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
        padding: Padding = Padding.frozen,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """The same as `loop` on the valid steps, to rounding, the fastest way that the cell has.

        Only the LSTM makes a difference between frozen and masked padding.
        """
        return self.loop(x, state, lengths)

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        """Zeros, on the device and in the dtype of x."""
        return tuple(x.new_zeros(x.shape[0], self.hidden_size) for _ in self.state_names)


def last_valid(
    steps: Float[Tensor, "batch time hidden"], lengths: Int[Tensor, " batch"] | None
) -> Float[Tensor, "batch hidden"]:
    """The last valid step of each sequence."""
    if lengths is None:
        return steps[:, -1]
    return steps.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, steps.shape[-1])).squeeze(1)
