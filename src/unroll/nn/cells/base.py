"""What every recurrent cell offers: a step form, a sequence form, and parameters laid out as torch.nn's."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.components import Initialization

State = tuple[Float[Tensor, "_rows hidden"], ...]
"""A cell's state: (h,) or (h, c). The first tensor is the cell's output."""


class Cell(nn.Module, ABC):
    """One recurrent layer in one direction.

    `weight_ih` is (gates · H, I) and `weight_hh` (gates · H, H), the gates in torch.nn's order, so that
    weights can be exchanged with torch.nn.RNN, GRU and LSTM.
    """

    gates: ClassVar[int]
    state_names: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(self, input_size: int, hidden_size: int, initialization: Initialization) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = self.gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        bound = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if initialization is Initialization.xavier:
            for weight in (*self.weight_ih.chunk(self.gates), *self.weight_hh.chunk(self.gates)):
                nn.init.xavier_uniform_(weight)

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """One time step: the state after reading x."""

    @abstractmethod
    def kernel(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        padding: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """All time steps in one fused call: the output of every step and the state after the last.

        Where the state holds more than the output, the rest of it passes through `padding` unchanged.
        """

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        """Zeros, on the device and in the dtype of x."""
        return tuple(x.new_zeros(x.shape[0], self.hidden_size) for _ in self.state_names)

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """All time steps, fused. The final state is that of each sequence's last valid step."""
        if lengths is None:
            return self.kernel(x, state, None)
        outputs, (_, *rest) = self.kernel(x, state, ~mask_from_lengths(lengths, x.shape[1]))
        last = (lengths - 1)[:, None, None].expand(-1, 1, self.hidden_size)
        return outputs, (outputs.gather(1, last).squeeze(1), *rest)

    def loop(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """The same as `sequence`, one `step` at a time."""
        outputs = []
        for t in range(x.shape[1]):
            new = self.step(x[:, t], state)
            if lengths is not None:
                alive = (t < lengths)[:, None]
                new = tuple(
                    torch.where(alive, after, before) for after, before in zip(new, state, strict=True)
                )
            state = new
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state
