"""A cell whose step breaks its contract is told of in one line, before any training."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from unroll.config.broken_files import component_errors, place
from unroll.errors import InputError
from unroll.nn.blocks.base import Block
from unroll.nn.cells.base import Cell


@torch.no_grad()
def require_step_forms(model: nn.Module) -> None:
    """Take one step of a cell of each kind in a model, unless its parameters hold no numbers (`meta`).

    Raises:
        InputError: a step raises, or gives no output and state of the cell's shapes; by file and line.
    """
    cells = {type(cell): cell for cell in model.modules() if isinstance(cell, Cell)}
    for kind, cell in cells.items():
        x = next(cell.parameters(), torch.zeros(0)).new_zeros(1, cell.input_size)
        if isinstance(cell, Block) or x.is_meta:
            continue
        was_training = cell.training
        with component_errors(kind):
            given = cell.eval().step(x, cell.initial_state(x))
        cell.train(was_training)
        if fault := _fault(cell, given):
            file, line = inspect.getfile(kind), inspect.getsourcelines(kind.step)[1]
            raise InputError(
                f"{place(file, line)}: step gives {fault}; return the output and a tuple of the state's "
                "tensors, as h, (h,)"
            )


def _fault(cell: Cell, given: Any) -> str:
    if not isinstance(given, tuple) or len(given) != 2:
        return f"a {type(given).__name__}, not an output and a state"
    output, state = given
    wanted = (1, cell.output_size)
    if not isinstance(output, Tensor) or output.shape != wanted:
        return f"an output of {_shape(output)}, not of {wanted} for a batch of one"
    if not isinstance(state, tuple):
        return f"a state that is a {type(state).__name__}, not a tuple"
    shapes = [(1, *shape) for shape in cell.state_shapes.values()]
    if [_shape(tensor) for tensor in state] != [str(shape) for shape in shapes]:
        found = ", ".join(map(_shape, state))
        return f"a state of {found}, not of {', '.join(map(str, shapes))} as state_shapes says"
    return ""


def _shape(tensor: Any) -> str:
    return str(tuple(tensor.shape)) if isinstance(tensor, Tensor) else f"a {type(tensor).__name__}"
