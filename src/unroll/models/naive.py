"""The naive forecast, which a model has to beat: the values of one season ago."""

import torch
from jaxtyping import Float
from torch import Tensor

from unroll.batch import SequenceBatch
from unroll.spec import Alignment, DataSpec


def naive_forecast(batch: SequenceBatch, spec: DataSpec) -> Float[Tensor, "batch *time outputs"] | None:
    """The value of `spec.season` steps before each target, in the shape of the targets.

    A season of 1 repeats the last known value; a longer season repeats the values of the last season. A
    sequence shorter than a season repeats its last value. None if the targets are not a forecast of an input.
    """
    if not spec.target_inputs or batch.targets is None:
        return None
    known = batch.inputs[..., list(spec.target_inputs)]
    time = known.shape[1]
    steps = torch.arange(time, device=known.device)
    if spec.signature.alignment is Alignment.STEP:  # the target of step t is the value at t + 1
        source = steps + 1 - spec.season
        return known[:, torch.where(source >= 0, source, steps)]
    last = batch.lengths[:, None] - 1
    ahead = torch.arange(spec.horizon, device=known.device)[None]
    source = torch.where(last + 1 >= spec.season, last - spec.season + 1 + ahead % spec.season, last)
    forecast = known.gather(1, source[..., None].expand(-1, -1, known.shape[-1]))
    return forecast if spec.signature.alignment is Alignment.UNALIGNED else forecast.flatten(1)
