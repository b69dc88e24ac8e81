"""Gated linear attention, and HGRN-2."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unroll.config.components import HeadedCellConfig
from unroll.config.registry import builds, register, require
from unroll.nn.cells.base import State
from unroll.nn.cells.matrix import Engine, MatrixCell, masked
from unroll.nn.engines.decay import decay_chunks, decay_loop

RANK = 16
"""Of the low-rank map to the decays, as in the paper."""


@register("model/cell", "gla")
@dataclass(kw_only=True, slots=True)
class GLAConfig(HeadedCellConfig):
    """Config of gated linear attention.

    Attributes:
        temperature: how much slower than a sigmoid the decays are; the paper's τ
        hgrn2: whether keys are what the decays leave over, k = 1 − α, and upper layers decay less (HGRN-2)
    """

    name: str = "gla"
    temperature: float = 16.0
    hgrn2: bool = False

    def __post_init__(self) -> None:
        HeadedCellConfig.__post_init__(self)
        require(self, "temperature", 0 < self.temperature < math.inf, "a positive number")


@builds(GLAConfig)
class GLA(MatrixCell):
    """S′ = diag(α) S + k vᵀ for each head, o = norm(S′ᵀ q), with a decay α for each channel of k.

    Gated linear attention (Yang et al. 2023, arXiv:2312.06635): q = W_q x / √K, k = W_k x, v = W_v x and
    α = σ(W₂ W₁ x + b)^(1/τ). HGRN-2 (Qin et al. 2024, arXiv:2404.07904): α = l + (1 − l) σ(W x), k = 1 − α
    and q = SiLU(W_q x), where the lower bound l grows from 0 in the first layer by 1 / layers each: what the
    paper's learned bounds begin with. The output gate is the block's.
    """

    loop_engine = decay_loop
    chunk_engine = decay_chunks

    def __init__(self, config: GLAConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.heads)
        self.temperature = config.temperature
        self.lower_bound = 0.0
        self.query = nn.Linear(input_size, hidden_size, bias=False)
        self.value = nn.Linear(input_size, hidden_size, bias=False)
        self.key: nn.Module | None = None
        if config.hgrn2:
            self.forget: nn.Module = nn.Linear(input_size, hidden_size, bias=False)
        else:
            self.key = nn.Linear(input_size, hidden_size, bias=False)
            self.forget = nn.Sequential(nn.Linear(input_size, RANK, bias=False), nn.Linear(RANK, hidden_size))

    def place(self, layer: int, layers: int) -> None:
        self.lower_bound = layer / layers

    def run(
        self,
        engine: Engine,
        x: Float[Tensor, "batch time input"],
        state: State,
        valid: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        (memory,) = state
        query, value, forget = self.query(x), self.value(x), self.forget(x).to(self.norm.weight.dtype)
        if self.key is None:
            share = (1 - self.lower_bound) * torch.sigmoid(-forget)  # 1 − α, exact where α is near 1
            query, key, log_decay = F.silu(query), share, torch.log1p(-share)
        else:
            query, key = query / math.sqrt(self.head_size), self.key(x)
            log_decay = F.logsigmoid(forget) / self.temperature
        key, log_decay = masked(key, valid, 0.0), masked(log_decay, valid, 0.0)
        outputs, memory = engine(*map(self.split, (query, key, value, log_decay)), memory)
        return self.norm(outputs), (memory,)
