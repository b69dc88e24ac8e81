"""One cell over one sequence: recomputed step by step from what its recurrence was given."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from unroll.inspect.gates import Gates, gates_of
from unroll.inspect.heat_map import similar_units
from unroll.inspect.recording import Call
from unroll.nn.cells.base import Cell, State

DIRECTIONS = ("forward", "backward")


@dataclass(frozen=True, slots=True)
class CellTrace:
    """One cell over one sequence, in the sequence's order, backwards too.

    `before` and `after` hold the state (h, or h and c) that each step was given and the one that it made,
    each tensor by its name in the cell's `state_shapes`.
    """

    layer: int
    direction: str
    x: Float[Tensor, "time input"]
    outputs: Float[Tensor, "time output"]
    before: dict[str, Shaped[Tensor, "time ..."]]
    after: dict[str, Shaped[Tensor, "time ..."]]
    gates: Gates | None

    @property
    def last(self) -> int:
        """The place of the last step that the cell read: backwards, that is the first of the sequence."""
        return -1 if self.direction == DIRECTIONS[0] else 0

    @property
    def final(self) -> dict[str, Shaped[Tensor, "..."]]:
        """The state after the last step that the cell read."""
        return {name: steps[self.last] for name, steps in self.after.items()}

    @property
    def made(self) -> dict[str, Float[Tensor, "time size"]]:
        """What each step made, as vectors of real numbers: the state, and the output where it is another."""
        states = {name: as_vectors(steps) for name, steps in self.after.items()}
        shown = any(torch.equal(self.outputs, steps) for steps in states.values())
        return states if shown else {"output": self.outputs, **states}

    def frame(self) -> pd.DataFrame:
        """A row for each step: norms of what went in, range of each gate's z, range and norm of what it made.

        Of the state before it, the norm is that of the first tensor.
        """
        first = next(iter(self.before))
        columns: dict[str, Any] = {
            "layer": self.layer,
            "direction": self.direction,
            "step": range(1, len(self.x) + 1),
            "x_norm": _norms(self.x),
            f"{first}_before_norm": _norms(self.before[first]),
        }
        if self.gates is not None:
            columns["input_norm"] = _norms(self.gates.of_input)
            columns["memory_norm"] = _norms(self.gates.of_memory)
            for name, z in zip(self.gates.names, self.gates.z.unbind(dim=1), strict=True):
                columns |= _range(f"z_{name}", z)
        for name, steps in self.made.items():
            columns |= {**_range(name, steps), f"{name}_norm": _norms(steps)}
        return pd.DataFrame(columns)

    def panels(self) -> dict[str, Float[Tensor, "time size"]]:
        """What a picture of it shows: x, the gates, what each step made."""
        panels = {"x": self.x}
        if self.gates is not None:
            # The activation of the Elman cell's one gate is h itself.
            shown = self.gates.z if len(self.gates.names) == 1 else self.gates.values
            panels |= dict(zip(self.gates.names, shown.unbind(dim=1), strict=True))
        return panels | self.made

    def unit_orders(self) -> dict[str, list[int]]:
        """The order of units in each panel: gates and states of a size have that of its first state."""
        states = reversed(self.made.values())
        orders = {steps.shape[1]: similar_units(steps) for steps in states}
        of_state = {title: orders[steps.shape[1]] for title, steps in self.panels().items() if title != "x"}
        return {"x": similar_units(self.x), **of_state}


def trace_cells(call: Call) -> list[CellTrace]:
    """Every cell of a recurrence, in torch.nn's order, from the inputs and the given states alone."""
    cells: list[CellTrace] = []
    directions = call.recurrence.directions
    x = torch.stack(call.x)
    for index, cell in enumerate(call.recurrence.cells):
        assert isinstance(cell, Cell)
        layer, direction = divmod(index, directions)
        if layer > 0 and direction == 0:
            x = torch.cat([below.outputs for below in cells[-directions:]], dim=-1).to(x.device)
        order = range(len(x)) if direction == 0 else range(len(x) - 1, -1, -1)
        state = call.given[0][index]
        outputs, before, after = {}, {}, {}
        for t in order:
            before[t] = call.given[t][index] if direction == 0 and t in call.given else state
            outputs[t], state = cell.step(x[t : t + 1], before[t])
            after[t] = state
        given, made = _by_name(cell, before), _by_name(cell, after)
        gates = gates_of(cell, x, given)
        cells.append(
            CellTrace(
                layer,
                DIRECTIONS[direction],
                x.cpu(),
                torch.cat([outputs[t] for t in range(len(x))]).cpu(),
                {name: steps.cpu() for name, steps in given.items()},
                {name: steps.cpu() for name, steps in made.items()},
                gates,
            )
        )
    return cells


def as_vectors(steps: Shaped[Tensor, "time ..."]) -> Float[Tensor, "time size"]:
    """A vector of real numbers for each step, of a tensor of any shape and dtype."""
    if steps.is_complex():
        steps = torch.view_as_real(steps)
    return (steps if steps.is_floating_point() else steps.float()).reshape(len(steps), -1)


def _by_name(cell: Cell, states: dict[int, State]) -> dict[str, Shaped[Tensor, "time ..."]]:
    tensors = zip(*(states[t] for t in range(len(states))), strict=True)
    return {name: torch.cat(steps) for name, steps in zip(cell.state_shapes, tensors, strict=True)}


def _norms(steps: Shaped[Tensor, "_time ..."]) -> list[float]:
    norms: list[float] = torch.linalg.vector_norm(as_vectors(steps).double(), dim=1).tolist()
    return norms


def _range(name: str, steps: Float[Tensor, "time size"]) -> dict[str, list[float]]:
    return {f"{name}_min": steps.amin(dim=1).tolist(), f"{name}_max": steps.amax(dim=1).tolist()}
