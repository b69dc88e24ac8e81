"""The sLSTM of the xLSTM: an LSTM with exponential input gates, whose heads are mixed within themselves."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.config.components import HeadedCellConfig
from unroll.config.registry import builds, register
from unroll.nn.cells.base import Cell, OutputAndState, State, where_alive
from unroll.nn.cells.matrix import HeadNorm, size_of_a_head
from unroll.nn.engines.precision import in_full_precision


@register("model/cell", "slstm")
@dataclass(kw_only=True, slots=True)
class SLSTMConfig(HeadedCellConfig):
    """Config of the sLSTM."""

    name: str = "slstm"


@builds(SLSTMConfig)
class SLSTM(Cell):
    """c′ = f ⊙ c + i ⊙ z, n′ = f ⊙ n + i, h′ = o ⊙ c′ / n′; the output is the RMS norm of each head of h′.

    i = exp(ĩ), f = σ(f̃), z = tanh(z̃) and o = σ(õ), where (ĩ, f̃, z̃, õ) = W x + R h + b, in this order, with
    a block of R for each head (Beck et al. 2024, arXiv:2405.04517, equations 8 to 18; of the two forget gates
    that it offers, the sigmoid). The state keeps c and n times exp(−m), with the stabiliser
    m′ = max(log f + m, ĩ), which starts at −∞: a memory of no weight, after whose first step n is 1. From
    then on n is 1 or more, since one of the two terms has the factor 1.

    Weights start as in the authors' code: W from N(0, 2 / 5I), R at zero, and the biases at zero but for
    those of the forget gates, which start open, from 3 to 6 over the units of each head: its "small_init", as
    in the mLSTM. (Its default closes the gates of most units, the more the lower the layer.) Its norm of the
    heads also takes their mean away.
    """

    def __init__(self, config: SLSTMConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.heads = config.heads
        size = size_of_a_head(hidden_size, self.heads)
        self.gates = nn.Linear(input_size, 4 * hidden_size)
        self.recurrent = nn.Parameter(torch.zeros(self.heads, size, 4 * size))
        self.norm = HeadNorm(hidden_size, self.heads)
        with torch.no_grad():
            self.gates.weight.normal_(0.0, math.sqrt(2 / (5 * input_size)))
            self.gates.bias.zero_()
            self.gates.bias[hidden_size : 2 * hidden_size] = torch.linspace(3.0, 6.0, size).repeat(self.heads)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("h", "c", "n", "m"), (self.hidden_size,))

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        h, c, n, m = super().initial_state(x)
        return h, c, n, m.fill_(-math.inf)

    def state_from(self, numbers: State) -> State:
        """A memory with a weight: n is above zero, and c / n a mean of values in (−1, 1)."""
        h, c, n, m = (torch.tanh(tensor) for tensor in numbers)
        n = torch.exp(n)
        return h, c * n, n, m

    def learned_state(self, own: State, learned: State) -> State:
        """Of the numbers alone, at first a memory of weight 1: nothing can be added to one of exp(−∞)."""
        return self.state_from(learned)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        outputs, state = self.sequence(x[:, None], state)
        return outputs[:, 0], state

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """A loop, but for what can be computed for all steps at once: W x + b before it, the norm after."""
        by_gate = self.gates(x).view(*x.shape[:2], 4, self.heads, -1)
        hidden, state = _loop(by_gate.transpose(2, 3).flatten(3), self.recurrent, lengths, *state)
        return self.norm(hidden), state


@in_full_precision
def _loop(
    gates: Float[Tensor, "batch time heads gates"],
    recurrent: Float[Tensor, "heads size gates"],
    lengths: Int[Tensor, " batch"] | None,
    *state: Float[Tensor, "batch hidden"],
) -> tuple[Float[Tensor, "batch time heads size"], State]:
    """h of all steps from their W x + b, in which a head's gates are side by side as in its block of R."""
    heads, size, _ = recurrent.shape
    state = tuple(tensor.view(-1, heads, size) for tensor in state)
    hidden = []
    for t, read in enumerate(gates.unbind(dim=1)):
        h, c, n, m = state
        i, f, z, o = (read + torch.einsum("bhs,hsg->bhg", h, recurrent)).chunk(4, dim=-1)
        kept = F.logsigmoid(f) + m
        m = torch.maximum(kept, i)
        forget, write = torch.exp(kept - m), torch.exp(i - m)
        c = forget * c + write * torch.tanh(z)
        n = forget * n + write
        h = torch.sigmoid(o) * c / n
        state = (h, c, n, m) if lengths is None else where_alive(t < lengths, (h, c, n, m), state)
        hidden.append(h)
    return torch.stack(hidden, dim=1), tuple(tensor.flatten(1) for tensor in state)
