"""The gated delta rule: DeltaNet, gated DeltaNet and DeltaProduct in one cell."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unroll.config.components import HeadedCellConfig
from unroll.config.registry import builds, register, require
from unroll.nn.cells.base import State
from unroll.nn.cells.matrix import Engine, MatrixCell, bias_of_steps, masked
from unroll.nn.engines.delta import delta_chunks, delta_loop
from unroll.nn.optimizers.groups import Tuned


@register("model/cell", "gated_delta")
@dataclass(kw_only=True, slots=True)
class GatedDeltaConfig(HeadedCellConfig):
    """Config of the gated delta rule.

    Attributes:
        decay: whether the matrix also decays (gated DeltaNet); false is DeltaNet
        negative_eigenvalues: whether a step may reflect what stands under its key, not only erase it; with it
            a linear recurrence can count modulo two
        householders: writes of one step, one after another (DeltaProduct); with two a step can rotate
    """

    name: str = "gated_delta"
    decay: bool = True
    negative_eigenvalues: bool = False
    householders: int = 1

    def __post_init__(self) -> None:
        HeadedCellConfig.__post_init__(self)
        require(self, "householders", 1 <= self.householders <= 16, "in [1, 16]")


@builds(GatedDeltaConfig)
class GatedDelta(MatrixCell):
    """S′ = α (I − β k kᵀ) S + β k vᵀ for each head, o = norm(S′ᵀ q), with ‖k‖ = 1.

    q = SiLU(W_q x) / ‖·‖ / √K, k = SiLU(W_k x) / ‖·‖, v = SiLU(W_v x), β = σ(w_β x) and
    α = exp(−A softplus(w_α x + δ)), as in gated DeltaNet (Yang, Kautz & Hatamizadeh 2024, arXiv:2412.06464).
    Its short convolutions and output gate are the block's. Without decay α = 1: DeltaNet (Yang et al. 2024,
    arXiv:2406.06484). With negative eigenvalues β = 2σ(…) (Grazzi et al. 2024, arXiv:2411.12537). With
    several householders a step writes as often, and decays once (Siems et al. 2025, arXiv:2502.10297).
    """

    loop_engine = delta_loop
    chunk_engine = delta_chunks

    def __init__(self, config: GatedDeltaConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.heads)
        self.writes = config.householders
        self.largest_beta = 2.0 if config.negative_eigenvalues else 1.0
        self.query = nn.Linear(input_size, hidden_size, bias=False)
        self.key = nn.Linear(input_size, hidden_size * self.writes, bias=False)
        self.value = nn.Linear(input_size, hidden_size * self.writes, bias=False)
        self.beta = nn.Linear(input_size, self.heads * self.writes, bias=False)
        self.decay = Decay(input_size, self.heads) if config.decay else None

    def run(
        self,
        engine: Engine,
        x: Float[Tensor, "batch time input"],
        state: State,
        valid: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        (memory,) = state
        query = F.normalize(self.split(F.silu(self.query(x))), dim=-1) / math.sqrt(self.head_size)
        key = F.normalize(self._writes(F.silu(self.key(x))), dim=-1)
        value = self._writes(F.silu(self.value(x)))
        beta = self._writes(masked(self.largest_beta * torch.sigmoid(self.beta(x)), valid, 0.0)).squeeze(-1)
        log_decay = x.new_zeros(*x.shape[:2], self.heads) if self.decay is None else self.decay(x)
        log_decay = self._first(masked(log_decay, valid, 0.0))
        outputs, memory = engine(self._last(query), key, value, beta, log_decay, memory)
        outputs = outputs[:, self.writes - 1 :: self.writes]  # a step is read after its last write
        return self.norm(outputs), (memory,)

    def _writes(self, x: Float[Tensor, "batch time units"]) -> Float[Tensor, "batch writes heads head"]:
        """The writes of all steps, one after another."""
        batch, time, _ = x.shape
        return x.reshape(batch, time * self.writes, self.heads, -1)

    def _first(self, gate: Float[Tensor, "batch time heads"]) -> Float[Tensor, "batch writes heads"]:
        """The gate at the first write of each step, zero at the others."""
        return F.pad(gate[:, :, None], (0, 0, 0, self.writes - 1)).flatten(1, 2)

    def _last(self, query: Float[Tensor, "batch time heads key"]) -> Float[Tensor, "batch writes heads key"]:
        """The query at the last write of each step, zero at the others."""
        return F.pad(query[:, :, None], (0, 0, 0, 0, self.writes - 1, 0)).flatten(1, 2)


class Decay(nn.Module, Tuned):
    """log α = −A softplus(w x + δ), a number for each head, as in Mamba-2 (Dao & Gu 2024, arXiv:2405.21060).

    A starts uniform from 1 to 16, and δ so that softplus(δ) is log-uniform from 0.001 to 0.1.
    """

    no_decay = frozenset({"log_rate", "bias"})

    def __init__(self, input_size: int, heads: int) -> None:
        super().__init__()
        self.project = nn.Linear(input_size, heads, bias=False)
        self.log_rate = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.bias = nn.Parameter(bias_of_steps(heads))

    def forward(self, x: Float[Tensor, "batch time input"]) -> Float[Tensor, "batch time heads"]:
        """The logarithms of the decays."""
        return -self.log_rate.exp() * F.softplus(self.project(x).to(self.bias.dtype) + self.bias)
