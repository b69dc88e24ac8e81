"""Makes a model traceable by torch.export, for any batch size and length."""

import copy

from torch import Tensor, nn
from torch._higher_order_ops.scan import scan  # a prototype in 2.13, but the loop that torch.onnx knows

from unroll.batch import mask_from_lengths
from unroll.config.components import Execution, Padding
from unroll.models.base import SequenceModel
from unroll.nn.cells.base import Cell, OutputAndState, State, where_alive
from unroll.nn.front_ends.base import FrontEnd
from unroll.nn.front_ends.feature_conv import FeatureConv
from unroll.nn.front_ends.mlp import MLP, Strategy
from unroll.nn.front_ends.time_distributed import TimeDistributedDense
from unroll.nn.recurrence import Recurrence


def traceable(model: SequenceModel) -> SequenceModel:
    """A copy with the same weights and, to rounding, the same results, whose graph fits any length.

    Its recurrences run as a scan over the steps of their cells. Kernels and loops would be traced for one
    fixed number of steps.
    """
    model = copy.deepcopy(model).eval()
    for module in list(model.modules()):
        if isinstance(module, Recurrence):
            module.cells = nn.ModuleList(_Scanned(cell) for cell in module.cells if isinstance(cell, Cell))
            module.execution, module.padding, module.checkpoint_steps = Execution.scan, Padding.frozen, 0
        elif isinstance(module, MLP):
            module.strategy = Strategy.fused
        front_end = getattr(module, "front_end", None)
        if isinstance(front_end, TimeDistributedDense | FeatureConv):
            module.front_end = _WithoutLengths(front_end)
    return model


class _Scanned(Cell):
    """A cell whose sequence form is one scan of its step."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell.input_size, cell.hidden_size, cell.output_size)
        self.cell = cell

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.cell.state_shapes

    def initial_state(self, x: Tensor) -> State:
        return self.cell.initial_state(x)

    def state_from(self, numbers: State) -> State:
        return self.cell.state_from(numbers)

    def learned_state(self, own: State, learned: State) -> State:
        return self.cell.learned_state(own, learned)

    def step(self, x: Tensor, state: State) -> OutputAndState:
        return self.cell.step(x, state)

    def sequence(self, x: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        assert lengths is not None

        def step(state: State, now: tuple[Tensor, Tensor]) -> tuple[State, Tensor]:
            x_t, alive = now
            output, new = self.cell.step(x_t, state)
            return where_alive(
                alive, new, state
            ), output.clone()  # a scan's output must not share memory with the state

        alive = mask_from_lengths(lengths, x.shape[1]).mT
        final, outputs = scan(step, state, (x.transpose(0, 1), alive), dim=0)
        return outputs.transpose(0, 1), tuple(final)


class _WithoutLengths(FrontEnd):
    """A front end without lengths, which it needs only for statistics or checks; a program has neither."""

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end
        self.output_size = front_end.output_size

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        outputs: Tensor = self.front_end(x)
        return outputs
