"""The minimal gated recurrent unit (Feng et al. 2024, arXiv:2410.01201, section 3.1 and appendix B)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from unroll.config.components import GatedCellConfig
from unroll.config.registry import builds, register
from unroll.nn.cells.minimal import MinimalCell


@register("model/cell", "min_gru")
@dataclass(kw_only=True, slots=True)
class MinGRUConfig(GatedCellConfig):
    """Config of the minGRU cell."""

    name: str = "min_gru"


@builds(MinGRUConfig)
class MinGRU(MinimalCell):
    """u = σ(W_u x + b), n = g(W_n x + b′), h′ = (1 - u) ⊙ h + u ⊙ n."""

    gates = 2

    def __init__(self, config: MinGRUConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.initialization)

    def update_logit(self, *gates: Float[Tensor, "*batch hidden"]) -> Float[Tensor, "*batch hidden"]:
        (update,) = gates
        return update
