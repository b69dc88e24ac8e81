"""The minimal recurrent cells of Feng et al. 2024, "Were RNNs All We Needed?" (arXiv:2410.01201).

Their gates do not read the previous state, so that all of them are known at once, and what is left over time
is the linear recurrence h′ = (1 - u) ⊙ h + u ⊙ n, which runs as a parallel scan.
"""

import math
from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.config.components import Execution, Initialization
from unroll.nn.cells.base import Cell, OutputAndState, State, last_valid
from unroll.nn.engines.scan import linear_scan


class MinimalCell(Cell):
    """A cell with a convex, linear recurrence.

    `weight_ih` is (gates · H, I): the paper's linear layers, one above the other, the new value last. They
    start as its nn.Linear do, U(±1/√I), or Xavier-scaled. With the paper's g(x) = x + 0.5 above zero and
    σ(x) below, new values are positive, as its log-space form requires. That form is one way to compute these
    same values; the scan here needs no logarithm, so that the initial state may be any, zero included.
    """

    gates: ClassVar[int]
    executions = (Execution.scan, Execution.loop)

    def __init__(self, input_size: int, hidden_size: int, initialization: Initialization) -> None:
        super().__init__(input_size, hidden_size)
        rows = self.gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        bound = 1 / math.sqrt(input_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if initialization is not Initialization.uniform:
            for weight in self.weight_ih.chunk(self.gates):
                nn.init.xavier_uniform_(weight)

    @abstractmethod
    def update_logit(self, *gates: Float[Tensor, "*batch hidden"]) -> Float[Tensor, "*batch hidden"]:
        """The logit of the update gate u, from the pre-activations of all gates."""

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        (h,) = state
        decay, new = self._recurrence(x)
        h = decay * h + new
        return h, (h,)

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        (h,) = state
        outputs = linear_scan(*self._recurrence(x), h)
        return outputs, (last_valid(outputs, lengths),)

    def _recurrence(
        self, x: Float[Tensor, "*batch input"]
    ) -> tuple[Float[Tensor, "*batch hidden"], Float[Tensor, "*batch hidden"]]:
        """1 - u and u ⊙ n, in the dtype of the weights: autocast halves the product, not the recurrence."""
        z = F.linear(x, self.weight_ih, self.bias_ih).to(self.weight_ih.dtype)
        *gates, new = z.chunk(self.gates, dim=-1)
        update = torch.sigmoid(self.update_logit(*gates))
        above = F.relu(new)  # g in two terms, since torch.where would take half of all the time
        return 1 - update, update * (above + torch.sigmoid(new - above))
