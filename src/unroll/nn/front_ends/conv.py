"""Two convolutions along time."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.config.components import FrontEndConfig
from unroll.config.registry import builds, register, require
from unroll.nn.front_ends.base import FrontEnd


@register("model/front_end", "conv")
@dataclass(kw_only=True, slots=True)
class ConvConfig(FrontEndConfig):
    """Config of two convolutions along time, I → `channels` → `output_size`.

    Attributes:
        channels: features between the two
        output_size: features that the recurrence reads
        kernel_size: steps that each of the two sees at once; odd
        causal: whether a step sees no later one
    """

    name: str = "conv"
    channels: int = 64
    output_size: int = 64
    kernel_size: int = 3
    causal: bool = False

    def __post_init__(self) -> None:
        for key in ("channels", "output_size"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        require(self, "kernel_size", self.kernel_size >= 1 and self.kernel_size % 2 == 1, "odd")


@builds(ConvConfig)
class Conv(FrontEnd):
    """Y = W₂ ∗ relu(W₁ ∗ X + b₁) + b₂; beyond both ends of a sequence there are zeros."""

    def __init__(self, config: ConvConfig, input_size: int, length: int) -> None:
        super().__init__()
        self.output_size = config.output_size
        self.sees_ahead = not config.causal and config.kernel_size > 1
        self.sees_behind = config.kernel_size > 1
        # Causal: as many zeros before the sequence as the kernel reaches back; `forward` drops the surplus
        # steps that those after it make.
        padding = config.kernel_size - 1 if config.causal else config.kernel_size // 2
        self.first = nn.Conv1d(input_size, config.channels, config.kernel_size, padding=padding)
        self.second = nn.Conv1d(config.channels, config.output_size, config.kernel_size, padding=padding)

    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        time = x.shape[1]
        padding = None if lengths is None else ~mask_from_lengths(lengths, time)[:, None]
        hidden = torch.relu(self.first(_zeroed(x.mT, padding))[..., :time])
        # The first layer's bias has filled the padding, which the second must not see.
        outputs: Tensor = self.second(_zeroed(hidden, padding))[..., :time]
        return outputs.mT


def _zeroed(
    x: Float[Tensor, "batch channels time"], padding: Bool[Tensor, "batch 1 time"] | None
) -> Float[Tensor, "batch channels time"]:
    return x if padding is None else x.masked_fill(padding, 0.0)
