"""Forecasts of quantiles: their order, their loss, and their calibration."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import Metric

from unroll.nn.scaling import Scaling
from unroll.spec import MEDIAN


class Quantiles(nn.Module):
    """Outputs that are quantiles of each value, at levels that increase and hold 0.5, the forecast itself.

    `offsets` calibrate them: they are added to the quantiles of each step ahead (1 where steps are not told
    apart), for each value. That of the median is 0.
    """

    at: Tensor
    offsets: Tensor

    def __init__(self, levels: tuple[float, ...], steps: int, values: int) -> None:
        super().__init__()
        self.levels = levels
        self.middle = levels.index(MEDIAN)
        self.register_buffer("at", torch.tensor(levels), persistent=False)
        self.register_buffer("offsets", torch.zeros(steps, values, len(levels)))

    def __len__(self) -> int:
        return len(self.levels)

    def split(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows values quantiles"]:
        """The outputs by value and quantile."""
        return by_quantile(outputs, len(self))

    def ordered(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows outputs"]:
        """The outputs of a network, sorted within each value, so that no quantile crosses another.

        Sorting never makes the loss worse (Chernozhukov et al. 2010).
        """
        return self.split(outputs).sort(dim=-1).values.flatten(-2)

    def calibrated(
        self, outputs: Float[Tensor, "batch *time outputs"]
    ) -> Float[Tensor, "batch *time outputs"]:
        """Ordered outputs, moved by the offsets, but never across the median."""
        found = self.split(outputs) + (self.offsets if outputs.ndim > 2 else self.offsets[0])
        middle = found[..., self.middle : self.middle + 1]
        below = found[..., : self.middle].flip(-1)
        parts = [torch.minimum(below, middle).cummin(dim=-1).values.flip(-1), middle]
        parts.append(torch.maximum(found[..., self.middle + 1 :], middle).cummax(dim=-1).values)
        return torch.cat(parts, dim=-1).flatten(-2)

    def median(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows values"]:
        """The forecast itself."""
        return self.split(outputs)[..., self.middle]

    def loss(
        self, outputs: Float[Tensor, "*rows outputs"], targets: Float[Tensor, "*rows values"]
    ) -> Float[Tensor, "*rows values quantiles"]:
        """Twice the pinball loss (Koenker & Bassett 1978), which at the median is the absolute error."""
        return pinball(self.split(outputs), targets, self.at)


def by_quantile(
    outputs: Float[Tensor, "*rows outputs"], number: int
) -> Float[Tensor, "*rows values quantiles"]:
    """Outputs that are so many quantiles of each value, by value and quantile."""
    return outputs.reshape(*outputs.shape[:-1], -1, number)


def in_units_of_data(
    quantiles: Float[Tensor, "*rows values quantiles"], scaling: Scaling
) -> Float[Tensor, "*rows values quantiles"]:
    """Scaled quantiles in the units of the data."""
    values: Tensor = scaling.absolute(scaling.inverse(quantiles.transpose(-1, -2)))
    return values.transpose(-1, -2)


def pinball(
    quantiles: Float[Tensor, "*rows values quantiles"],
    targets: Float[Tensor, "*rows values"],
    levels: Float[Tensor, " quantiles"],
) -> Float[Tensor, "*rows values quantiles"]:
    """Twice the pinball loss of each quantile."""
    distance = targets[..., None] - quantiles
    return 2 * torch.maximum(levels * distance, (levels - 1) * distance)


class Residuals(Metric):
    """How far targets lie above the quantiles that were forecast, on the validation part.

    From these follow the offsets of split-conformal prediction, of each quantile on its own (Romano et al.
    2019, arXiv:1905.03222, theorem 2): with n residuals that of a level q above the median is the one of rank
    ⌈(n + 1) q⌉, at most the largest; below it ⌊(n + 1) q⌋, at least the smallest.
    """

    full_state_update = False
    residuals: list[Tensor] | Tensor
    steps: list[Tensor] | Tensor

    def __init__(self, quantiles: Quantiles) -> None:
        super().__init__()
        self.levels = quantiles.levels
        self.ahead = quantiles.offsets.shape[0]
        self.add_state("residuals", [], dist_reduce_fx="cat")
        self.add_state("steps", [], dist_reduce_fx="cat")

    def update(self, residuals: Float[Tensor, "rows values quantiles"], steps: Tensor | None) -> None:
        """Add rows, each with the number of its step ahead, from 0; None where steps are not told apart."""
        assert isinstance(self.residuals, list)
        assert isinstance(self.steps, list)
        self.residuals.append(residuals)
        if steps is None or self.ahead == 1:
            steps = torch.zeros(len(residuals), dtype=torch.long, device=residuals.device)
        self.steps.append(steps)

    def compute(self) -> Float[Tensor, "steps values quantiles"]:
        """The offsets."""
        residuals, steps = (
            torch.cat(each) if isinstance(each, list) else each for each in (self.residuals, self.steps)
        )
        return torch.stack([self._offsets(residuals[steps == step]) for step in range(self.ahead)])

    def _offsets(
        self, residuals: Float[Tensor, "rows values quantiles"]
    ) -> Float[Tensor, "values quantiles"]:
        number = len(residuals)
        ordered = residuals.sort(dim=0).values
        offsets = torch.zeros_like(residuals[0])
        for column, level in enumerate(self.levels):
            if level == MEDIAN:
                continue
            rank = math.ceil((number + 1) * level) if level > MEDIAN else math.floor((number + 1) * level)
            offsets[:, column] = ordered[min(max(rank, 1), number) - 1, :, column]
        return offsets
