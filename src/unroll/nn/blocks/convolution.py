"""A short causal convolution along time, of each channel by itself."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.nn.cells.buffer import last_steps

Recent = Float[Tensor, "batch before channels"]


class ShortConvolution(nn.Module):
    """y_t = Σ_j w_j ⊙ x_{t−j} + b over the last `kernel_size` steps; its state is the valid inputs before.

    A kernel of three or four steps is a few products: no library's convolution is faster.
    """

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(kernel_size)
        self.weight = nn.Parameter(torch.empty(kernel_size, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))

    def step(self, x: Float[Tensor, "batch channels"], recent: Recent) -> tuple[Tensor, Recent]:
        """One time step: the output, and the inputs to remember."""
        window = torch.cat([recent, x[:, None]], dim=1)
        return (window * self.weight).sum(dim=1) + self.bias, window[:, 1:]

    def forward(
        self, x: Float[Tensor, "batch time channels"], recent: Recent, lengths: Int[Tensor, " batch"] | None
    ) -> tuple[Float[Tensor, "batch time channels"], Recent]:
        """All time steps, and the last inputs of each sequence's own steps."""
        before, time = recent.shape[1], x.shape[1]
        both = torch.cat([recent, x], dim=1)
        outputs = self.bias + sum(self.weight[j] * both[:, j : j + time] for j in range(before + 1))
        return outputs, last_steps(both, before, lengths, dim=1)


def convolve(
    convolution: ShortConvolution, x: Tensor, recent: Recent, lengths: Int[Tensor, " batch"] | None
) -> tuple[Tensor, Recent]:
    """SiLU of the convolution of one step (batch, channels) or of all (batch, time, channels)."""
    outputs, recent = convolution.step(x, recent) if x.ndim == 2 else convolution(x, recent, lengths)
    return F.silu(outputs), recent
