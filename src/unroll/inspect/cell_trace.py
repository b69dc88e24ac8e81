"""One cell over one sequence: recomputed step by step from what its recurrence was given."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from unroll.inspect.gates import Gates, gates_of
from unroll.inspect.recording import Call
from unroll.nn.cells.base import Cell, State

DIRECTIONS = ("forward", "backward")


@dataclass(frozen=True, slots=True)
class CellTrace:
    """One cell over one sequence, in the sequence's order, backwards too.

    `before` and `after` hold the state (h, or h and c) that each step was given and the one that it made.
    """

    layer: int
    direction: str
    x: Float[Tensor, "time input"]
    before: dict[str, Float[Tensor, "time hidden"]]
    after: dict[str, Float[Tensor, "time hidden"]]
    gates: Gates | None

    @property
    def final(self) -> dict[str, Float[Tensor, " hidden"]]:
        """The state after the last step that the cell read: backwards, that is the first of the sequence."""
        last = -1 if self.direction == DIRECTIONS[0] else 0
        return {name: steps[last] for name, steps in self.after.items()}

    def frame(self) -> pd.DataFrame:
        """A row for each step: norms of what went in, range of each gate's z, range and norm of the state."""
        columns: dict[str, Any] = {
            "layer": self.layer,
            "direction": self.direction,
            "step": range(1, len(self.x) + 1),
            "x_norm": _norms(self.x),
            "h_before_norm": _norms(self.before["h"]),
        }
        if self.gates is not None:
            columns["input_norm"] = _norms(self.gates.of_input)
            columns["memory_norm"] = _norms(self.gates.of_memory)
            for name, z in zip(self.gates.names, self.gates.z.unbind(dim=1), strict=True):
                columns |= _range(f"z_{name}", z)
        for name, steps in self.after.items():
            columns |= {**_range(name, steps), f"{name}_norm": _norms(steps)}
        return pd.DataFrame(columns)

    def panels(self) -> dict[str, Float[Tensor, "time size"]]:
        """What a picture of it shows: x, the gates, the states after each step."""
        panels = {"x": self.x}
        if self.gates is not None:
            # The activation of the Elman cell's one gate is h itself.
            shown = self.gates.z if len(self.gates.names) == 1 else self.gates.values
            panels |= dict(zip(self.gates.names, shown.unbind(dim=1), strict=True))
        return panels | self.after


def trace_cells(call: Call) -> list[CellTrace]:
    """Every cell of a recurrence, in torch.nn's order, from the inputs and the given states alone."""
    cells: list[CellTrace] = []
    directions = call.recurrence.directions
    x = torch.stack(call.x)
    for index, cell in enumerate(call.recurrence.cells):
        assert isinstance(cell, Cell)
        layer, direction = divmod(index, directions)
        if layer > 0 and direction == 0:
            x = torch.cat([below.after["h"] for below in cells[-directions:]], dim=-1).to(x.device)
        order = range(len(x)) if direction == 0 else range(len(x) - 1, -1, -1)
        state = call.given[0][index]
        before, after = {}, {}
        for t in order:
            before[t] = call.given[t][index] if direction == 0 and t in call.given else state
            after[t] = state = cell.step(x[t : t + 1], before[t])
        h = torch.cat([before[t][0] for t in range(len(x))])
        states = _by_name(cell, before), _by_name(cell, after)
        cells.append(CellTrace(layer, DIRECTIONS[direction], x.cpu(), *states, gates_of(cell, x, h)))
    return cells


def _by_name(cell: Cell, states: dict[int, State]) -> dict[str, Float[Tensor, "time hidden"]]:
    tensors = zip(*(states[t] for t in range(len(states))), strict=True)
    return {name: torch.cat(steps).cpu() for name, steps in zip(cell.state_names, tensors, strict=True)}


def _norms(steps: Float[Tensor, "_time ..."]) -> list[float]:
    norms: list[float] = torch.linalg.vector_norm(steps.flatten(1).double(), dim=1).tolist()
    return norms


def _range(name: str, steps: Float[Tensor, "time hidden"]) -> dict[str, list[float]]:
    return {f"{name}_min": steps.amin(dim=1).tolist(), f"{name}_max": steps.amax(dim=1).tolist()}
