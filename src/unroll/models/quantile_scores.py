"""How good forecasts of quantiles are."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MeanMetric

from unroll.nn.quantiles import MEDIAN, pinball


class QuantileScores(nn.Module):
    """The weighted quantile loss, and the share of targets within each interval.

    The weighted quantile loss (Park et al. 2022, as GluonTS has it: `mean_wQuantileLoss`) is twice the pinball
    loss of all targets, over the sum of their absolute values, the mean over quantiles. With many quantiles it
    tends to the CRPS, over the mean absolute value.
    """

    def __init__(self, levels: tuple[float, ...]) -> None:
        super().__init__()
        self.levels = levels
        self.middle = levels.index(MEDIAN)
        self.intervals = [
            (low, len(levels) - 1 - low)
            for low in range(len(levels) // 2)
            if abs(levels[low] + levels[len(levels) - 1 - low] - 1) < 1e-9
        ]
        self.register_buffer("at", torch.tensor(levels), persistent=False)
        self.at: Tensor
        self.loss, self.size = MeanMetric(), MeanMetric()
        self.inside = nn.ModuleDict({self._name(interval): MeanMetric() for interval in self.intervals})

    def update(
        self, quantiles: Float[Tensor, "rows values quantiles"], targets: Float[Tensor, "rows values"]
    ) -> None:
        """Add rows."""
        if targets.numel() == 0:
            return
        self.loss.update(pinball(quantiles, targets, self.at.to(targets.dtype)).mean(-1))
        self.size.update(targets.abs())
        for low, high in self.intervals:
            inside = (quantiles[..., low] <= targets) & (targets <= quantiles[..., high])
            self.inside[self._name((low, high))].update(inside.float())

    def values(self) -> dict[str, Tensor]:
        """The scores by name."""
        size = self.size.compute()
        coverage = {name: metric.compute() for name, metric in self.inside.items()}
        return {"wql": self.loss.compute() / size if size > 0 else torch.full_like(size, torch.nan), **coverage}

    def _name(self, interval: tuple[int, int]) -> str:
        low, high = (self.levels[end] for end in interval)
        return f"coverage_{100 * (high - low):g}".replace(".", "_")
