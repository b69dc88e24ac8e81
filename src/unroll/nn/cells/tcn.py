"""The residual block of the temporal convolutional network, as a cell."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from unroll.config.components import CellConfig, Execution
from unroll.config.registry import builds, register, require
from unroll.errors import InputError
from unroll.nn.cells.base import Cell, OutputAndState, State
from unroll.nn.cells.buffer import last_steps

MOST_STEPS = 10**6
"""Of a buffer. More is a slip: every further layer doubles it."""


@register("model/cell", "tcn")
@dataclass(kw_only=True, slots=True)
class TCNConfig(CellConfig):
    """Config of the block of dilated causal convolutions.

    Attributes:
        kernel_size: steps that a convolution reads; from layer to layer they stand twice as far apart, so
            that L layers see 1 + 2 (kernel_size − 1) (2^L − 1) steps
    """

    name: str = "tcn"
    kernel_size: int = 3

    def __post_init__(self) -> None:
        require(self, "kernel_size", 2 <= self.kernel_size <= 1000, "in [2, 1000]")


@builds(TCNConfig)
class TCN(Cell):
    """y = ReLU(x + ReLU(w₂ ∗ ReLU(w₁ ∗ x))), with causal convolutions of dilation 2^layer.

    As in Bai, Kolter & Koltun 2018 (arXiv:1803.01271): weights have a direction and a length, which are
    learned apart (Salimans & Kingma 2016, arXiv:1602.07868), and where x has another size than y, it goes
    through a linear layer first. Their dropout within the block is left out. They start as torch's do. The
    state holds the last (kernel_size − 1) · dilation inputs of each convolution, oldest first.
    """

    executions = (Execution.parallel, Execution.loop)
    no_decay = frozenset(f"convolutions.{i}.parametrizations.weight.original1" for i in range(2))
    """Directions: their lengths mean nothing. Decaying what is learned as the length decays the weight."""

    def __init__(self, config: TCNConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.dilation = 1
        self.sizes = (input_size, hidden_size)
        self.kernel_size = config.kernel_size
        self.convolutions = nn.ModuleList(
            weight_norm(nn.Conv1d(size, hidden_size, config.kernel_size)) for size in self.sizes
        )
        same = input_size == hidden_size
        self.residual = nn.Identity() if same else nn.Linear(input_size, hidden_size)

    def place(self, layer: int, layers: int) -> None:
        self.dilation = 2**layer
        if self._steps > MOST_STEPS:
            raise InputError(
                f"model.num_layers={layers}: layer {layer + 1} of the tcn would keep {self._steps:,} steps; "
                f"take fewer layers, which keep {MOST_STEPS:,} or less"
            )

    @property
    def _steps(self) -> int:
        """Of a buffer."""
        return (self.kernel_size - 1) * self.dilation

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: (self._steps, size) for name, size in zip(("inputs", "inner"), self.sizes, strict=True)}

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        outputs, state = self.sequence(x[:, None], state)
        return outputs[:, 0], state

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        hidden, buffers = x, []
        for convolution, buffer in zip(self.convolutions, state, strict=True):
            assert isinstance(convolution, nn.Conv1d)
            # Buffers are kept in the weights' own precision, also under autocast.
            steps = torch.cat([buffer, hidden], dim=1).to(convolution.weight.dtype)
            buffers.append(last_steps(steps, self._steps, lengths, dim=1))
            hidden = F.relu(self._convolve(convolution, steps))
        return F.relu(self.residual(x) + hidden), tuple(buffers)

    def _convolve(
        self, convolution: nn.Module, steps: Float[Tensor, "batch before_and_time input"]
    ) -> Float[Tensor, "batch time hidden"]:
        assert isinstance(convolution, nn.Conv1d)
        weight, bias = convolution.weight, convolution.bias
        return F.conv1d(steps.mT, weight, bias, dilation=self.dilation).mT
