"""The gated block of today's recurrent language models, with any cell inside."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from unroll.config.components import BlockConfig, Norm
from unroll.config.registry import builds, register, require
from unroll.nn.blocks.base import Block, Inner, MakeCell, Steps
from unroll.nn.blocks.convolution import ShortConvolution, convolve
from unroll.nn.blocks.mlp import GatedMLP
from unroll.nn.cells.base import State


@register("model/block", "gated")
@dataclass(kw_only=True, slots=True)
class GatedConfig(BlockConfig):
    """Config of the gated block.

    Attributes:
        norm: the norm before the projections and before the MLP; rms, layer or none
        expand: width of the cell, in hidden sizes
        conv: steps of the short causal convolution before the cell; 0 is none
        gate: whether a gate multiplies what the cell puts out
        mlp: width of the gated MLP after the cell, in hidden sizes; 0 is none
        dropout: share of what the cell and the MLP add that is dropped in training; null is model.dropout
    """

    name: str = "gated"
    norm: Norm = Norm.rms
    expand: int = 2
    conv: int = 4
    gate: bool = True
    mlp: float = 0.0
    dropout: float | None = None

    def __post_init__(self) -> None:
        require(self, "expand", 1 <= self.expand <= 64, "in [1, 64]")
        require(self, "conv", self.conv == 0 or 2 <= self.conv <= 64, "0 (none), or in [2, 64]")
        require(self, "mlp", 0 <= self.mlp <= 64, "in [0, 64]")
        require(self, "dropout", self.dropout is None or 0 <= self.dropout < 1, "in [0, 1), or null")


@builds(GatedConfig)
class Gated(Block):
    """x + W_down (cell(SiLU(conv(W_up n))) ⊙ SiLU(W_gate n)) with n = norm(x), then x + MLP(norm(x)).

    It is the block of Mamba (Gu & Dao 2023, arXiv:2312.00752), of the mLSTM in the xLSTM (Beck et al. 2024,
    arXiv:2405.04517) and, with an MLP, of Griffin (De et al. 2024, arXiv:2402.19427).
    """

    def __init__(
        self, config: GatedConfig, input_size: int, hidden_size: int, make_cell: MakeCell, dropout: float
    ) -> None:
        inner = config.expand * hidden_size
        super().__init__(input_size, hidden_size, make_cell(inner, inner), config.norm)
        self.up = nn.Linear(hidden_size, inner, bias=False)
        self.conv = ShortConvolution(inner, config.conv) if config.conv else None
        self.gate = nn.Linear(hidden_size, self.cell.output_size, bias=False) if config.gate else None
        self.down = nn.Linear(self.cell.output_size, hidden_size, bias=False)
        self.mlp = GatedMLP(hidden_size, config.mlp, config.norm) if config.mlp else None
        self.dropout = dropout if config.dropout is None else config.dropout

    @property
    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        if self.conv is None:
            return {}
        kernel_size, channels = self.conv.weight.shape
        return {"recent": (kernel_size - 1, channels)}

    def around(
        self, stream: Steps, state: State, inner: Inner, lengths: Int[Tensor, " batch"] | None
    ) -> tuple[Steps, State]:
        normed = self.norm(stream)
        steps = self.up(normed)
        own: State = ()
        if self.conv is not None:
            recent, *rest = state
            steps, recent = convolve(self.conv, steps, recent, lengths)
            own, state = (recent,), tuple(rest)
        outputs, state = inner(steps, state)
        if self.gate is not None:
            outputs = outputs * F.silu(self.gate(normed))
        return self.add(stream, self.down(outputs)), (*own, *state)
