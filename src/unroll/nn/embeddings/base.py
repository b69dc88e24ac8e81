"""What every embedding offers: tokens (B, T), and how they are spelt, to vectors (B, T, O)."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn


class Embedding(nn.Module, ABC):
    """Tokens (B, T) to vectors (B, T, output_size). It is built with its config and the data's spec."""

    output_size: int
    reads_spelling: bool = False
    """Whether it reads how a token is spelt, and so can do with tokens that it has never seen."""

    @abstractmethod
    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        characters: Int[Tensor, "batch time letters"] | None = None,
    ) -> Float[Tensor, "batch time embedding"]:
        """The vectors of tokens, whose spelling `characters` may give."""
