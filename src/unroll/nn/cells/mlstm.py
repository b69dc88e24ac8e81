"""The mLSTM of the xLSTM: a matrix memory with exponential gates."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unroll.config.components import HeadedCellConfig
from unroll.config.registry import builds, register
from unroll.nn.cells.base import State
from unroll.nn.cells.matrix import Engine, MatrixCell, masked
from unroll.nn.engines.decay import decay_chunks, decay_loop
from unroll.nn.engines.maximum import decayed_maximum


@register("model/cell", "mlstm")
@dataclass(kw_only=True, slots=True)
class MLSTMConfig(HeadedCellConfig):
    """Config of the mLSTM."""

    name: str = "mlstm"


@builds(MLSTMConfig)
class MLSTM(MatrixCell):
    """C′ = f C + i k vᵀ, n′ = f n + i k, h = o ⊙ norm(C′ᵀ q / max(|n′ᵀ q|, 1)), for each head.

    i = exp(w_i x + b) and f = σ(w_f x + b) are numbers for each head, o = σ(W_o x + b) one for each unit, and
    k = W_k x / √K (Beck et al. 2024, arXiv:2405.04517, equations 19 to 27). The state keeps C and n times
    exp(−m), with the stabiliser m′ = max(log f + m, w_i x + b), which starts at −∞: a memory of no weight.
    With it a step is that of a matrix that decays by exp(log f + m − m′) and into which exp(w_i x + b − m′)
    k vᵀ is written; n is one more column of it, whose values are 1. Forget gates start open, with biases from
    3 to 6 over the heads, as in the authors' code.
    """

    loop_engine = decay_loop
    chunk_engine = decay_chunks

    def __init__(self, config: MLSTMConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.heads)
        self.query = nn.Linear(input_size, hidden_size)
        self.key = nn.Linear(input_size, hidden_size)
        self.value = nn.Linear(input_size, hidden_size)
        self.gates = nn.Linear(input_size, 2 * self.heads)
        self.output = nn.Linear(input_size, hidden_size)
        with torch.no_grad():
            self.gates.weight.zero_()
            self.gates.bias[: self.heads].normal_(0.0, 0.1)
            self.gates.bias[self.heads :] = torch.linspace(3.0, 6.0, self.heads)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "C": (self.heads, self.head_size, self.head_size),
            "n": (self.heads, self.head_size),
            "m": (self.heads,),
        }

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        memory, normaliser, stabiliser = super().initial_state(x)
        return memory, normaliser, stabiliser.fill_(-math.inf)

    def learned_state(self, own: State, learned: State) -> State:
        """Of the numbers alone: to what stands at a weight of exp(−∞) nothing can be added."""
        return self.state_from(learned)

    def run(
        self,
        engine: Engine,
        x: Float[Tensor, "batch time input"],
        state: State,
        valid: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        memory, normaliser, m = state
        write, forget = self.gates(x).to(m.dtype).chunk(2, dim=-1)
        write = masked(write, valid, -math.inf)
        log_forget = masked(F.logsigmoid(forget), valid, 0.0)
        stabiliser = decayed_maximum(log_forget, write, m)
        before = torch.cat([m[:, None], stabiliser[:, :-1]], dim=1)
        empty = before == -math.inf  # there is nothing yet that could decay
        log_decay = torch.where(empty, 0.0, log_forget + torch.where(empty, 0.0, before) - stabiliser)
        log_decay = torch.where(empty, 0.0, log_decay)
        query, key, value = (self.split(layer(x)) for layer in (self.query, self.key, self.value))
        key = key * (torch.exp(write - stabiliser)[..., None] / math.sqrt(self.head_size))
        ones = torch.ones_like(value[..., :1])
        both = torch.cat([memory, normaliser[..., None]], dim=-1).masked_fill(empty[:, 0, :, None, None], 0.0)
        outputs, both = engine(query, key, torch.cat([value, ones], dim=-1), log_decay, both)
        total, weight = torch.split(outputs, [self.head_size, 1], dim=-1)
        least = torch.exp((-stabiliser).clamp(max=80.0))[..., None]  # 1, in the units of what is kept
        outputs = self.norm(total / torch.maximum(weight.abs(), least))
        return torch.sigmoid(self.output(x)) * outputs, (both[..., :-1], both[..., -1], stabiliser[:, -1])
