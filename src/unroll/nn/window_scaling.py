"""Measures what is forecast from the window that it is forecast from, and back."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import SequenceBatch, mask_from_lengths
from unroll.nn.scaling import Scaling
from unroll.spec import Alignment, DataSpec, ForecastScaling

LEAST_SHARE = 0.1
"""A window deviates by at least this share of the series that deviates least. Some windows are constant."""


class Frame(NamedTuple):
    """What the forecast features of a window are measured from, and their unit.

    Both are in the units of the training part's scaling. For targets at each step there is one for each step.
    """

    origin: Float[Tensor, "batch #time features"]
    unit: Float[Tensor, "batch 1 features"]


class WindowScaling(nn.Module):
    """Measures the forecast features of a window from its last value, as NLinear does (Zeng et al. 2023,
    arXiv:2205.13504), and with `window` in units of its standard deviation, as RevIN does (Kim et al. 2022).

    So a model repeats the last value where its output is zero, and series of any level and size look alike.
    Other features stay as they are.

    With targets at each step, outputs are measured from the value at their step; inputs are not moved, since
    their last value would tell of later steps.
    """

    least: Tensor

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.scaling = Scaling.of_inputs(spec)
        self.features = list(spec.target_inputs)
        self.by_step = spec.signature.alignment is Alignment.STEP
        self.by_deviation = spec.scaling is ForecastScaling.window
        std = torch.tensor([spec.input_std[feature] for feature in self.features])
        self.register_buffer(
            "least", LEAST_SHARE * torch.tensor(spec.least_spread) / std, persistent=False
        )

    def forward(
        self, x: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time inputs"]:
        """Scaled inputs, the forecast ones measured from their window. What stands in padding has no meaning."""
        if self.by_step:
            return x
        origin, unit = self._frame(x, lengths)
        moved = (x[..., self.features].float() - origin) / unit
        index = torch.tensor(self.features, device=x.device)
        return x.index_copy(-1, index, moved.to(x.dtype))

    def frame(self, batch: SequenceBatch) -> Frame:
        """The frame of each window of a batch."""
        return self._frame(self.scaling(batch.inputs), batch.lengths)

    def _frame(self, x: Float[Tensor, "batch time inputs"], lengths: Int[Tensor, " batch"]) -> Frame:
        known = x[..., self.features].float()
        if self.by_step:
            return Frame(known, torch.ones_like(known[:, :1]))
        last = (lengths - 1)[:, None, None].expand(-1, 1, known.shape[-1])
        origin = known.gather(1, last)
        if not self.by_deviation:
            return Frame(origin, torch.ones_like(origin))
        valid = mask_from_lengths(lengths, known.shape[1])[..., None]
        count = lengths[:, None, None]
        distances = (known - origin).where(valid, 0.0)  # of values near zero, which lose no digits
        mean = distances.sum(dim=1, keepdim=True) / count
        variance = (distances - mean).where(valid, 0.0).square().sum(dim=1, keepdim=True) / count
        return Frame(origin, (variance + self.least.square()).sqrt())
