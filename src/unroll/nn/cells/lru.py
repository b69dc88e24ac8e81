"""The linear recurrent unit: a diagonal of complex numbers turns and shrinks the state."""

import math
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from unroll.config.components import CellConfig, Execution
from unroll.config.registry import builds, register, require
from unroll.nn.cells.base import Cell, OutputAndState, State, last_valid
from unroll.nn.engines.scan import linear_scan


@register("model/cell", "lru")
@dataclass(kw_only=True, slots=True)
class LRUConfig(CellConfig):
    """Config of the LRU.

    Attributes:
        state_size: complex numbers of the state; null is as many as the hidden size
        r_min: the smallest |λ| at the start; nearer to 1 remembers for longer
        r_max: the largest |λ| at the start
        max_phase: the largest angle at the start by which a step turns the state; for long sequences a small
            part of 2π keeps the state from turning many times
    """

    name: str = "lru"
    state_size: int | None = None
    r_min: float = 0.0
    r_max: float = 1.0
    max_phase: float = 6.28

    def __post_init__(self) -> None:
        if self.state_size is not None:
            require(self, "state_size", 1 <= self.state_size <= 10**6, "in [1, 1000000], or null")
        require(self, "r_max", 0 < self.r_max <= 1, "in (0, 1]")
        require(self, "r_min", 0 <= self.r_min < self.r_max, f"in [0, r_max={self.r_max})")
        require(self, "max_phase", 0 < self.max_phase <= 6.3, "in (0, 6.3] (2π)")


@builds(LRUConfig)
class LRU(Cell):
    """h′ = λ ⊙ h + γ ⊙ B x, y = Re(C h′) + D x, with λ = exp(−exp(ν) + i exp(θ)).

    h, λ, B and C are complex (Orvieto et al. 2023, arXiv:2303.06349). D is a number for each unit where input
    and output are of one size, as in the paper, and else a matrix. The layers around it are the block's.

    As in the paper, λ starts uniform on the ring from r_min to r_max up to the angle max_phase, and γ at
    √(1 − |λ|²), which keeps the size of the state; its logarithm is what is learned. ν, θ and γ have no
    weight decay, and learn at half the rate (a quarter or a half in the paper's runs).
    """

    executions = (Execution.scan, Execution.loop)
    no_decay = frozenset({"log_rate", "log_angle", "log_scale"})
    lr_scale = MappingProxyType({"log_rate": 0.5, "log_angle": 0.5, "log_scale": 0.5})

    def __init__(self, config: LRUConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.state_size = size = config.state_size or hidden_size
        least = torch.finfo(torch.float32).tiny
        squared = torch.empty(size, dtype=torch.float64).uniform_(config.r_min**2, config.r_max**2)
        squared = squared.clamp(min=least, max=1 - 1e-7)  # at 0 and at 1, ν would be infinite
        angle = torch.empty(size, dtype=torch.float64).uniform_(0, config.max_phase).clamp(min=least)
        self.log_rate = nn.Parameter(torch.log(-0.5 * torch.log(squared)).float())
        self.log_angle = nn.Parameter(torch.log(angle).float())
        self.log_scale = nn.Parameter((0.5 * torch.log1p(-squared)).float())
        self.write = nn.Linear(input_size, 2 * size, bias=False)  # B: its real parts, and its imaginary ones
        self.read = nn.Linear(2 * size, hidden_size, bias=False)  # C: its real parts, and minus the others
        nn.init.normal_(self.write.weight, std=1 / math.sqrt(2 * input_size))
        nn.init.normal_(self.read.weight, std=1 / math.sqrt(size))
        shape = (hidden_size,) if input_size == hidden_size else (hidden_size, input_size)
        self.skip = nn.Parameter(torch.randn(shape) / (1 if len(shape) == 1 else math.sqrt(input_size)))

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": (self.state_size,)}

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        (h,) = super().initial_state(x)
        return (h.to(torch.promote_types(x.dtype, torch.complex64)),)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        (h,) = state
        decay, inputs = self._terms(x)
        h = decay * h + inputs
        return self._output(h, x), (h,)

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        (h,) = state
        decay, inputs = self._terms(x)
        states = linear_scan(decay.expand_as(inputs), inputs, h)
        return self._output(states, x), (last_valid(states, lengths),)

    def _terms(
        self, x: Float[Tensor, "*batch input"]
    ) -> tuple[Complex[Tensor, " state"], Complex[Tensor, "*batch state"]]:
        """λ and γ ⊙ B x, in the precision of ν: autocast halves the product, not the recurrence."""
        decay = torch.polar(torch.exp(-self.log_rate.exp()), self.log_angle.exp())
        real, imaginary = self.write(x).to(self.log_scale.dtype).chunk(2, dim=-1)
        scale = self.log_scale.exp()
        return decay, torch.complex(scale * real, scale * imaginary)

    def _output(
        self, h: Complex[Tensor, "*batch state"], x: Float[Tensor, "*batch input"]
    ) -> Float[Tensor, "*batch hidden"]:
        """Re(C h) + D x."""
        skipped = self.skip * x if self.skip.ndim == 1 else F.linear(x, self.skip)
        read: Tensor = self.read(torch.cat([h.real, h.imag], dim=-1))
        return read + skipped
