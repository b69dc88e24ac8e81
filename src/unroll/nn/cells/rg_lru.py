"""The real-gated linear recurrent unit of Griffin."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unroll.config.components import Execution, HeadedCellConfig
from unroll.config.registry import builds, register
from unroll.nn.cells.base import Cell, OutputAndState, State, last_valid
from unroll.nn.cells.matrix import size_of_a_head
from unroll.nn.engines.scan import linear_scan

Units = Float[Tensor, "*batch hidden"]

SHARPNESS = 8.0
"""By how much the recurrence gate is sharpened; c of the paper."""


@register("model/cell", "rg_lru")
@dataclass(kw_only=True, slots=True)
class RGLRUConfig(HeadedCellConfig):
    """Config of the RG-LRU."""

    name: str = "rg_lru"


@builds(RGLRUConfig)
class RGLRU(Cell):
    """h′ = a ⊙ h + √(1 − a²) ⊙ i ⊙ x, with log a = −8 softplus(Λ) ⊙ r.

    r = σ(W_a x + b_a) and i = σ(W_x x + b_x), with a block of each W for each head (De et al. 2024,
    arXiv:2402.19427, section 2.4). The very first step is not scaled by √(1 − a²), since nothing stands
    beside it: so does the authors' code, and the state counts the steps. Inputs of another size than the
    hidden one are first projected to it.

    Λ starts so that a is uniform from 0.9 to 0.999 where r is 1, as the paper has it; in the authors' code
    (and in transformers) that is the root a^(1/8), so that memories are shorter. Λ has no weight decay.
    """

    executions = (Execution.scan, Execution.loop)
    no_decay = frozenset({"bias", "rate"})

    def __init__(self, config: RGLRUConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.heads = config.heads
        size = size_of_a_head(hidden_size, self.heads)
        self.project = nn.Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        self.weight = nn.Parameter(torch.randn(self.heads, size, 2 * size) / math.sqrt(size))
        self.bias = nn.Parameter(torch.zeros(self.heads, 2 * size))
        self.rate = nn.Parameter(_rates(hidden_size))

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": (self.hidden_size,), "steps": ()}

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        h, steps = super().initial_state(x)
        return h, steps.long()

    def state_from(self, numbers: State) -> State:
        """A state that something stands in, so that the next step is not its first."""
        h, steps = super().state_from(numbers)
        return h, steps.clamp(min=1)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        h, steps = state
        decay, gated, scale = self._terms(x)
        h = decay * h + torch.where((steps == 0)[:, None], gated, scale * gated)
        return h, (h, steps + 1)

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        h, steps = state
        decay, gated, scale = self._terms(x)
        first = _first_step(steps, x.shape[1])[..., None]
        outputs = linear_scan(decay, torch.where(first, gated, scale * gated), h)
        return outputs, (last_valid(outputs, lengths), steps + (x.shape[1] if lengths is None else lengths))

    def _terms(self, x: Float[Tensor, "*batch input"]) -> tuple[Units, Units, Units]:
        """a, i ⊙ x and √(1 − a²), in the dtype of Λ: autocast halves the products, not the recurrence."""
        x = self.project(x)
        by_head = torch.einsum("...hi,hig->...hg", x.view(*x.shape[:-1], self.heads, -1), self.weight)
        gates = by_head.to(self.rate.dtype) + self.bias
        recurrence, write = (torch.sigmoid(gate).flatten(-2) for gate in gates.chunk(2, dim=-1))
        log_decay = -SHARPNESS * F.softplus(self.rate) * recurrence
        return torch.exp(log_decay), write * x, _root(-torch.expm1(2 * log_decay))


def _first_step(steps: Int[Tensor, " batch"], time: int) -> Bool[Tensor, "batch time"]:
    """True at the first step of sequences of which none was read."""
    return steps[:, None] + torch.arange(time, device=steps.device) == 0


def _root(x: Units, least: float = 1e-6) -> Units:
    """√x, with the slope at `least` where x is below: at 0 it would be infinite."""
    straight = x.detach().sqrt() + (x - x.detach()) / (2 * math.sqrt(least))
    return torch.where(x > least, x.clamp(min=least).sqrt(), straight)


def _rates(size: int) -> Tensor:
    """Λ with exp(−8 softplus(Λ)) uniform from 0.9 to 0.999."""
    decay = torch.empty(size).uniform_(0.9, 0.999)
    return torch.log(torch.expm1(-torch.log(decay) / SHARPNESS))  # the inverse of softplus
