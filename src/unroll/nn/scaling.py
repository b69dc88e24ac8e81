"""From the units of the data to values of mean 0 and standard deviation 1, and back."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Scaling(nn.Module):
    """Subtracts a mean and divides by a standard deviation, of the training data.

    With none given, values stay as they are. Means of K features serve K · n values, n times over, as the
    steps of a forecast are.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], size: int) -> None:
        super().__init__()
        times = size // len(mean) if mean else size
        # The data's spec stands in every checkpoint already.
        self.register_buffer("mean", torch.tensor(mean or (0.0,)).repeat(times), persistent=False)
        self.register_buffer("std", torch.tensor(std or (1.0,)).repeat(times), persistent=False)

    def forward(self, values: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
        """To mean 0 and standard deviation 1."""
        return (values - self.mean) / self.std

    def inverse(self, values: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
        """Back to the units of the data."""
        return values * self.std + self.mean
