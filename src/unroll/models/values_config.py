"""The base config of models that can write values, with the quantiles of a forecast."""

from dataclasses import dataclass
from typing import Any

from unroll.config.registry import require
from unroll.errors import InputError
from unroll.nn.backbone import BackboneConfig
from unroll.spec import DataSpec, ForecastScaling, Kind

USUAL_QUANTILES = (0.1, 0.5, 0.9)


@dataclass(kw_only=True, slots=True)
class ValuesConfig(BackboneConfig):
    """Base config of a model that can write values.

    Attributes:
        quantiles: the quantiles of each value to learn, with 0.5, the forecast itself, as [0.1, 0.5, 0.9];
            auto is these for forecasts by data.scaling; null, and auto for other data, is the mean alone
        linear: whether a linear map from the window to the steps ahead is added to forecasts by data.scaling
            (the autoregressive part of LSTNet, Lai et al. 2018, arXiv:1703.07015); nothing else changes
    """

    quantiles: Any = None
    linear: bool = False

    def __post_init__(self) -> None:
        BackboneConfig.__post_init__(self)
        levels = self.quantiles
        if levels is None or levels == "auto":
            return
        fits = isinstance(levels, list) and all(type(level) is float and 0 < level < 1 for level in levels)
        fits = fits and 0.5 in levels and levels == sorted(set(levels)) and len(levels) < 100
        expected = "auto, null, or levels that increase and hold 0.5, as [0.1, 0.5, 0.9]"
        require(self, "quantiles", fits, expected)


def quantile_levels(config: ValuesConfig, spec: DataSpec) -> tuple[float, ...]:
    """The levels of the quantiles that a model learns of such data; none where it learns the mean.

    Raises:
        InputError: quantiles are asked for, and the targets are no values.
    """
    if config.quantiles == "auto":
        return USUAL_QUANTILES if spec.scaling is not ForecastScaling.training else ()
    if config.quantiles and spec.signature.targets is not Kind.CONTINUOUS:
        raise InputError(
            f"model.quantiles={config.quantiles}: the targets are {spec.signature.targets.value}, which have "
            "none; set it to null"
        )
    return tuple(config.quantiles or ())
