"""From the units of the data to values of mean 0 and standard deviation 1, and back."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unroll.spec import DataSpec


class Scaling(nn.Module):
    """Subtracts a mean and divides by a standard deviation, of the training data.

    With none given, values stay as they are. Means of K features serve K · n values, n times over, as the
    steps of a forecast are. From `centered` values the mean is subtracted already.

    Attributes:
        unit: a power of two near the largest standard deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: tuple[float, ...], std: tuple[float, ...], size: int, *, centered: bool = False
    ) -> None:
        super().__init__()
        times = size // len(mean) if mean else size
        self.origin = mean if centered else ()
        self.unit = 2.0 ** round(math.log2(max(std))) if std else 1.0
        subtracted = (0.0,) * len(mean) if centered else mean
        # The data's spec stands in every checkpoint already.
        self.register_buffer("mean", torch.tensor(subtracted or (0.0,)).repeat(times), persistent=False)
        self.register_buffer("std", torch.tensor(std or (1.0,)).repeat(times), persistent=False)

    @classmethod
    def of_inputs(cls, spec: DataSpec) -> "Scaling":
        """The scaling of the inputs of a data set."""
        return cls(spec.input_mean, spec.input_std, spec.input_size, centered=spec.centered)

    @classmethod
    def of_targets(cls, spec: DataSpec) -> "Scaling":
        """The scaling of the targets of a data set."""
        return cls(spec.target_mean, spec.target_std, spec.target_size, centered=spec.centered)

    def forward(self, values: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
        """To mean 0 and standard deviation 1."""
        return (values - self.mean) / self.std

    def inverse(self, values: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
        """Back to what a batch holds: values in the units of the data, or differences from their mean."""
        return values * self.std + self.mean

    def absolute(self, values: Float[Tensor, "*batch size"]) -> Float[Tensor, "*batch size"]:
        """What a batch holds in the units of the data: float64 if that is centered, or else as it is."""
        return add_means(values, self.origin)


def add_means(values: Float[Tensor, "*batch size"], means: tuple[float, ...]) -> Float[Tensor, "*batch size"]:
    """Differences from means as values, in float64; without means the values as they are."""
    if not means:
        return values
    # No buffer: a buffer would lose its digits where a model is converted to bfloat16.
    added = torch.tensor(means, dtype=torch.double, device=values.device)
    return values.double() + added.repeat(values.shape[-1] // len(means))


def digits(mean: float, std: float, least: int) -> int:
    """How many digits show a number of this mean as precisely as `least` digits its difference from it."""
    return least + max(0, math.ceil(math.log10(max(abs(mean), std) / std)))
