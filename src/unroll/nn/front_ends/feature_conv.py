"""A convolution across features, with the time steps as its channels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import on_host
from unroll.config.components import FrontEndConfig
from unroll.config.registry import builds, register, require
from unroll.errors import InputError
from unroll.nn.front_ends.base import FrontEnd


@register("model/front_end", "feature_conv")
@dataclass(kw_only=True, slots=True)
class FeatureConvConfig(FrontEndConfig):
    """Config of a convolution along the feature axis, T → `filters` → T channels.

    Each filter sees all steps. All sequences must be of one length.

    Attributes:
        filters: channels between
        kernel_size: neighbouring features that a filter sees; odd
    """

    name: str = "feature_conv"
    filters: int = 32
    kernel_size: int = 3

    def __post_init__(self) -> None:
        require(self, "filters", self.filters >= 1, "1 or more")
        require(self, "kernel_size", self.kernel_size >= 1 and self.kernel_size % 2 == 1, "odd")


@builds(FeatureConvConfig)
class FeatureConv(FrontEnd):
    """(B, T, I) → (B, filters, I) → (B, T, I): relu of a convolution, then a mix of the filters per step.

    Every step of the output sees every step of the input, later ones too.

    Raises:
        InputError: sequences of different lengths.
    """

    def __init__(self, config: FeatureConvConfig, input_size: int, length: int) -> None:
        super().__init__()
        if length == 0:
            raise _needs_one_length("those of this data differ")
        self.length = length
        self.output_size = input_size
        self.sees_ahead = self.sees_behind = True
        # Conv1d reads (batch, channels, position), which (B, T, I) is already: channels are steps.
        self.across = nn.Conv1d(length, config.filters, config.kernel_size, padding=config.kernel_size // 2)
        self.back = nn.Conv1d(config.filters, length, kernel_size=1)

    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        found = {x.shape[1]} if lengths is None else {x.shape[1], *on_host(lengths).tolist()}
        if others := found - {self.length}:
            raise _needs_one_length(f"this model is built for {self.length} steps, not {min(others)}")
        outputs: Tensor = self.back(torch.relu(self.across(x)))
        return outputs


def _needs_one_length(reason: str) -> InputError:
    return InputError(
        f"model.front_end.name=feature_conv: needs sequences of one length, and {reason}; take data of fixed "
        "length (as data.min_length = data.max_length) or another front end (conv, mlp)"
    )
