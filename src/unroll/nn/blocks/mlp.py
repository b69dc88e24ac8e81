"""A gated multilayer perceptron that sees each step alone."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from unroll.config.components import Norm
from unroll.nn.blocks.base import make_norm


class GatedMLP(nn.Module):
    """W₂ (SiLU(W_g x) ⊙ W₁ x) of a normed stream (SwiGLU, Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, size: int, ratio: float, norm: Norm) -> None:
        super().__init__()
        inner = max(1, round(ratio * size))
        self.norm = make_norm(norm, size)
        self.up = nn.Linear(size, 2 * inner, bias=False)
        self.down = nn.Linear(inner, size, bias=False)

    def forward(self, x: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
        """What is added to the stream."""
        gate, value = self.up(self.norm(x)).chunk(2, dim=-1)
        added: Tensor = self.down(F.silu(gate) * value)
        return added
