"""How good forecasts of quantiles are."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MeanMetric

from unroll.nn.quantiles import pinball
from unroll.spec import MEDIAN


class QuantileScores(nn.Module):
    """The weighted quantile loss, and the share of targets within each interval.

    The weighted quantile loss (GluonTS's `mean_wQuantileLoss`) is twice the pinball loss of all targets, over
    the sum of their absolute values, the mean over quantiles. With many quantiles it tends to the CRPS, over
    the mean absolute value.
    """

    at: Tensor

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
        self.loss, self.size = MeanMetric(), MeanMetric()
        self.inside = nn.ModuleList([MeanMetric() for _ in self.intervals])

    def update(
        self, quantiles: Float[Tensor, "rows values quantiles"], targets: Float[Tensor, "rows values"]
    ) -> None:
        """Add rows."""
        if targets.numel() == 0:
            return
        self.loss.update(pinball(quantiles, targets, self.at.to(targets.dtype)).mean(-1))
        self.size.update(targets.abs())
        for (low, high), share in zip(self.intervals, self.inside, strict=True):
            assert isinstance(share, MeanMetric)
            share.update(((quantiles[..., low] <= targets) & (targets <= quantiles[..., high])).float())

    def values(self) -> dict[str, Tensor]:
        """The scores by name."""
        size = self.size.compute()
        scores = {"wql": self.loss.compute() / size if size > 0 else torch.full_like(size, torch.nan)}
        for interval, share in zip(self.intervals, self.inside, strict=True):
            assert isinstance(share, MeanMetric)
            scores[self._name(interval)] = share.compute()
        return scores

    def _name(self, interval: tuple[int, int]) -> str:
        low, high = (self.levels[end] for end in interval)
        return f"coverage_{100 * (high - low):g}".replace(".", "_")
