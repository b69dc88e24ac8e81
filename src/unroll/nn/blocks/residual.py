"""The pre-norm residual block of Transformers, with any cell in the place of attention."""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor, nn

from unroll.config.components import BlockConfig, Norm
from unroll.config.registry import builds, register, require
from unroll.nn.blocks.base import Block, Inner, MakeCell, Steps
from unroll.nn.blocks.mlp import GatedMLP
from unroll.nn.cells.base import State


@register("model/block", "residual")
@dataclass(kw_only=True, slots=True)
class ResidualConfig(BlockConfig):
    """Config of the residual block.

    Attributes:
        norm: the norm before the cell and before the MLP; rms, layer or none
        mlp: width of the gated MLP after the cell, in hidden sizes; 0 is none
        dropout: share of what the cell and the MLP add that is dropped in training; null is model.dropout
    """

    name: str = "residual"
    norm: Norm = Norm.rms
    mlp: float = 2.0
    dropout: float | None = None

    def __post_init__(self) -> None:
        require(self, "mlp", 0 <= self.mlp <= 64, "in [0, 64]")
        require(self, "dropout", self.dropout is None or 0 <= self.dropout < 1, "in [0, 1), or null")


@builds(ResidualConfig)
class Residual(Block):
    """x + cell(norm(x)), then x + MLP(norm(x)) (Xiong et al. 2020, arXiv:2002.04745)."""

    def __init__(
        self, config: ResidualConfig, input_size: int, hidden_size: int, make_cell: MakeCell, dropout: float
    ) -> None:
        super().__init__(input_size, hidden_size, make_cell(hidden_size, hidden_size), config.norm)
        same = self.cell.output_size == hidden_size
        self.project = nn.Identity() if same else nn.Linear(self.cell.output_size, hidden_size, bias=False)
        self.mlp = GatedMLP(hidden_size, config.mlp, config.norm) if config.mlp else None
        self.dropout = dropout if config.dropout is None else config.dropout

    def around(
        self, stream: Steps, state: State, inner: Inner, lengths: Int[Tensor, " batch"] | None
    ) -> tuple[Steps, State]:
        outputs, state = inner(self.norm(stream), state)
        return self.add(stream, self.project(outputs)), state
