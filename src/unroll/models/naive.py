"""The naive forecasts, which a model has to beat: the last value, and the values of one season ago."""

import torch
from jaxtyping import Float
from torch import Tensor

from unroll.batch import SequenceBatch
from unroll.nn.window_scaling import last_season
from unroll.spec import Alignment, DataSpec


def naive_forecast(
    batch: SequenceBatch, spec: DataSpec, season: int | None = None
) -> Float[Tensor, "batch *time outputs"] | None:
    """The value of `season` steps before each target, by default `spec.season`, in the shape of the targets.

    A season of 1 repeats the last known value; a longer season repeats the values of the last season. A
    sequence shorter than a season repeats its last value. None if the targets are not a forecast of an input.
    """
    if not spec.target_inputs or batch.targets is None:
        return None
    season = spec.season if season is None else season
    known = batch.inputs[..., list(spec.target_inputs)]
    time = known.shape[1]
    steps = torch.arange(time, device=known.device)
    if spec.signature.alignment is Alignment.STEP:  # the target of step t is the value at t + 1
        source = steps + 1 - season
        return known[:, torch.where(source >= 0, source, steps)]
    forecast = last_season(known, batch.lengths, season, spec.horizon)
    return forecast if spec.signature.alignment is Alignment.UNALIGNED else forecast.flatten(1)


def naive_seasons(spec: DataSpec) -> dict[str, int]:
    """The naive forecasts as metrics call them, and how many steps ago is the value that each repeats."""
    return {"naive": 1} if spec.season == 1 else {"naive": 1, "seasonal_naive": spec.season}
