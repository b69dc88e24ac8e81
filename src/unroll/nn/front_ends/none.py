"""No front end: the recurrence reads the steps as they are."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from unroll.config.components import FrontEndConfig
from unroll.config.registry import builds, register
from unroll.nn.front_ends.base import FrontEnd


@register("model/front_end", "none")
@dataclass(kw_only=True, slots=True)
class NoFrontEndConfig(FrontEndConfig):
    """Config of a front end that does nothing."""

    name: str = "none"


@builds(NoFrontEndConfig)
class NoFrontEnd(FrontEnd):
    """The steps as they are."""

    def __init__(self, config: NoFrontEndConfig, input_size: int, length: int) -> None:
        super().__init__()
        self.output_size = input_size

    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        return x
