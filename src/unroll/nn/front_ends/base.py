"""What every front end offers: (B, T, I) to (B, T, O), padding left out of it."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn


class FrontEnd(nn.Module, ABC):
    """What happens to each time step before the recurrence; `output_size` is O.

    A front end is built with its config, the input size I, and the length T of every sequence (0 where
    lengths differ). What stands in the padding never reaches a valid step; what comes out on padding does
    not matter.
    """

    output_size: int
    sees_ahead: bool = False
    """Whether what it makes of a step depends on later ones."""
    sees_behind: bool = False
    """Whether what it makes of a step depends on earlier ones."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        """The steps, each ready for the recurrence. Without `lengths` every step is valid."""
