"""Nothing around the cell: the stack of torch.nn's RNN, GRU and LSTM."""

from dataclasses import dataclass

from unroll.config.components import BlockConfig
from unroll.config.registry import builds, register
from unroll.nn.blocks.base import MakeCell
from unroll.nn.cells.base import Cell


@register("model/block", "plain")
@dataclass(kw_only=True, slots=True)
class PlainConfig(BlockConfig):
    """Config of a stack of cells without anything around them."""

    name: str = "plain"


@builds(PlainConfig)
def plain(
    config: PlainConfig, input_size: int, hidden_size: int, make_cell: MakeCell, dropout: float
) -> Cell:
    """The cell itself; dropout acts between the layers of the stack."""
    return make_cell(input_size, hidden_size)
