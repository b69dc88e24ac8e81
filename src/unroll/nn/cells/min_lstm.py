"""The minimal long short-term memory (Feng et al. 2024, arXiv:2410.01201, section 3.2 and appendix B)."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from unroll.config.components import GatedCellConfig
from unroll.config.registry import builds, register
from unroll.nn.cells.minimal import MinimalCell


@register("model/cell", "min_lstm")
@dataclass(kw_only=True, slots=True)
class MinLSTMConfig(GatedCellConfig):
    """Config of the minLSTM cell."""

    name: str = "min_lstm"


@builds(MinLSTMConfig)
class MinLSTM(MinimalCell):
    """f, i = σ(…), n = g(W_n x + b), h′ = f/(f + i) ⊙ h + i/(f + i) ⊙ n. Gates in the order f, i, n."""

    gates = 3

    def __init__(self, config: MinLSTMConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, config.initialization)

    def update_logit(self, *gates: Float[Tensor, "*batch hidden"]) -> Float[Tensor, "*batch hidden"]:
        forget, update = gates
        return F.logsigmoid(update) - F.logsigmoid(forget)  # i/(f + i) = σ(log i - log f)
