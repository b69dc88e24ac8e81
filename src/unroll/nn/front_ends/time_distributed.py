"""Any module applied to every time step with the same weights, on padded and on ragged batches."""

from dataclasses import dataclass
from enum import Enum
from typing import overload

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.config.components import FrontEndConfig
from unroll.config.registry import builds, register, require
from unroll.nn.front_ends.base import FrontEnd


class Activation(Enum):
    """What follows a dense layer."""

    relu = "relu"
    tanh = "tanh"
    none = "none"


@register("model/front_end", "time_distributed")
@dataclass(kw_only=True, slots=True)
class TimeDistributedConfig(FrontEndConfig):
    """Config of one dense layer, I → `output_size`, and an activation, shared by all steps.

    Attributes:
        output_size: features that the recurrence reads
        activation: what follows the layer
    """

    name: str = "time_distributed"
    output_size: int = 64
    activation: Activation = Activation.relu

    def __post_init__(self) -> None:
        require(self, "output_size", self.output_size >= 1, "1 or more")


class TimeDistributed(nn.Module):
    """Applies a module that maps (N, I…) to (N, O…) to every step, as Keras' layer of that name does.

    The module is called once, with the valid steps of all sequences as its N rows: it sees no padding, so
    that statistics over a batch are those of the data.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    @overload
    def forward(
        self, x: Shaped[Tensor, "batch time *inputs"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Shaped[Tensor, "batch time *outputs"]: ...

    @overload
    def forward(self, x: list[Shaped[Tensor, "_time *inputs"]]) -> list[Shaped[Tensor, "_time *outputs"]]: ...  # noqa: F821

    def forward(
        self,
        x: Shaped[Tensor, "batch time *inputs"] | list[Shaped[Tensor, "_time *inputs"]],  # noqa: F821
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Shaped[Tensor, "batch time *outputs"] | list[Shaped[Tensor, "_time *outputs"]]:  # noqa: F821
        """Padded: (B, T, I…) to (B, T, O…), zero on padding. Ragged: a list of (T_i, I…) to (T_i, O…)."""
        if isinstance(x, list):
            return list(self.module(torch.cat(x)).split([len(sequence) for sequence in x]))
        if lengths is None:
            outputs: Tensor = self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])
            return outputs
        mask = mask_from_lengths(lengths, x.shape[1])
        steps = self.module(x[mask])
        outputs = steps.new_zeros(*mask.shape, *steps.shape[1:])
        outputs[mask] = steps
        return outputs


@builds(TimeDistributedConfig)
class TimeDistributedDense(FrontEnd):
    """y_t = f(W x_t + b), with f = relu, tanh or the identity."""

    def __init__(self, config: TimeDistributedConfig, input_size: int, length: int) -> None:
        super().__init__()
        self.output_size = config.output_size
        activations = {Activation.relu: nn.ReLU, Activation.tanh: nn.Tanh, Activation.none: nn.Identity}
        self.steps = TimeDistributed(
            nn.Sequential(nn.Linear(input_size, config.output_size), activations[config.activation]())
        )

    def forward(
        self, x: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        outputs: Tensor = self.steps(x, lengths)
        return outputs
