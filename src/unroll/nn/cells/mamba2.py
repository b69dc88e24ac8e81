"""The state-space duality layer of Mamba-2."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unroll.config.components import HeadedCellConfig
from unroll.config.registry import builds, register, require
from unroll.nn.cells.base import State
from unroll.nn.cells.matrix import Engine, MatrixCell, bias_of_steps, masked
from unroll.nn.engines.decay import decay_chunks, decay_loop


@register("model/cell", "mamba2")
@dataclass(kw_only=True, slots=True)
class Mamba2Config(HeadedCellConfig):
    """Config of the Mamba-2 layer.

    Attributes:
        state_size: rows of each matrix; N of the paper
    """

    name: str = "mamba2"
    state_size: int = 64

    def __post_init__(self) -> None:
        HeadedCellConfig.__post_init__(self)
        require(self, "state_size", 1 <= self.state_size <= 65536, "in [1, 65536]")


@builds(Mamba2Config)
class Mamba2(MatrixCell):
    """S′ = exp(Δ A) S + Δ B xᵀ for each head, y = norm(S′ᵀ C + D x).

    x, B, C and Δ = softplus(w x + δ) are linear in the input; B and C are shared by the heads; A < 0, D and δ
    are a number for each head (Dao & Gu 2024, arXiv:2405.21060). The short convolution and the gate are the
    block's. A starts uniform from −16 to −1, δ so that softplus(δ) is log-uniform from 0.001 to 0.1, D at 1.
    """

    loop_engine = decay_loop
    chunk_engine = decay_chunks
    no_decay = frozenset({"log_rate", "skip", "step_bias"})

    def __init__(self, config: Mamba2Config, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.heads)
        self.state_size = config.state_size
        self.sizes = [hidden_size, self.state_size, self.state_size, self.heads]
        self.project = nn.Linear(input_size, sum(self.sizes), bias=False)
        self.log_rate = nn.Parameter(torch.empty(self.heads).uniform_(1, 16).log())
        self.step_bias = nn.Parameter(bias_of_steps(self.heads))
        self.skip = nn.Parameter(torch.ones(self.heads))

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"S": (self.heads, self.state_size, self.head_size)}

    def run(
        self,
        engine: Engine,
        x: Float[Tensor, "batch time input"],
        state: State,
        valid: Bool[Tensor, "batch time"] | None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        (memory,) = state
        value, write, read, size = self.project(x).to(self.skip.dtype).split(self.sizes, dim=-1)
        size = masked(F.softplus(size + self.step_bias), valid, 0.0)
        value = self.split(value)
        log_decay = -self.log_rate.exp() * size
        shared = (rows[..., None, :] for rows in (read, write))  # by all heads
        outputs, memory = engine(*shared, size[..., None] * value, log_decay, memory)
        return self.norm(outputs + self.skip[:, None] * value), (memory,)
