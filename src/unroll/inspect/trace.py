"""A recorded forward pass: every number that a recurrence computes on one sequence, step by step.

Steps count from 1, as in h_1 … h_T; h_0 is the initial state. Layers count from 0, as in torch.nn.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from rich.table import Table
from torch import Tensor, nn

from unroll.inspect.cell_trace import CellTrace, as_vectors, trace_cells
from unroll.inspect.heat_map import draw_units, with_order
from unroll.inspect.recording import record
from unroll.inspect.trace_tables import cell_table, outputs_table, values_table
from unroll.nn.cells.base import State
from unroll.nn.recurrence import Recurrence

MOST_PANELS_PER_ROW = 4

MOST_NUMBERS = 2**14
"""Of a state, to be written with all values: pandas takes minutes for tens of thousands of columns."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A recurrence on one sequence: every cell in torch.nn's order, and the outputs of the recurrence itself.

    `names` may name the steps in tables and pictures, for example by the tokens that they read.
    """

    name: str
    cells: list[CellTrace]
    outputs: Float[Tensor, "time directions_hidden"]
    names: tuple[str, ...] = ()

    @property
    def directions(self) -> int:
        """1, or 2 when bidirectional."""
        return len({cell.direction for cell in self.cells})

    @property
    def layers(self) -> int:
        """The number of layers."""
        return len(self.cells) // self.directions

    @property
    def error(self) -> float:
        """The largest difference between the traced outputs and the recurrence's own, which is rounding."""
        return (self.layer(-1) - self.outputs).abs().max().item()

    def layer(self, layer: int) -> Float[Tensor, "time directions_hidden"]:
        """A layer's outputs of all steps, the directions side by side. -1 is the top layer."""
        return torch.cat([cell.outputs for cell in self._cells(layer)], dim=-1)

    def last(self) -> Float[Tensor, " directions_hidden"]:
        """The top layer's output of the last valid step, as in `Pooling.last`."""
        return torch.cat([cell.outputs[cell.last] for cell in self._cells(-1)])

    def y(self, output: nn.Linear) -> Float[Tensor, "time outputs"]:
        """W h_t + b at every step, computed by hand for a linear output layer."""
        return _by_hand(output, self.layer(-1))

    def y_last(self, output: nn.Linear) -> Float[Tensor, " outputs"]:
        """W h + b at the last valid step, computed by hand for a linear output layer."""
        return _by_hand(output, self.last())

    @property
    def left_out(self) -> dict[str, int]:
        """The states of so many numbers that `values` is without them, as a long cache."""
        sizes = {name: steps.shape[1] for cell in self.cells for name, steps in cell.made.items()}
        return {name: size for name, size in sizes.items() if size > MOST_NUMBERS}

    def frame(self) -> pd.DataFrame:
        """A row for each cell and step; see `CellTrace.frame`."""
        return pd.concat([cell.frame() for cell in self.cells], ignore_index=True)

    def values(self, output: nn.Linear | None = None) -> pd.DataFrame:
        """All inputs, step outputs, states and final states: a row for each, a column for each number.

        Those `left_out` are too large. A linear output layer adds y_t = W h_t + b.
        """
        rows: list[dict[Any, Any]] = []
        for cell in self.cells:
            place: dict[Any, Any] = {"layer": cell.layer, "direction": cell.direction}
            for quantity, steps in (("x", cell.x), *cell.made.items()):
                if quantity in self.left_out:
                    continue
                rows += [
                    {**place, "quantity": quantity, "step": step, **dict(enumerate(row))}
                    for step, row in enumerate(steps.tolist(), start=1)
                ]
            for state, tensor in cell.final.items():
                if state in self.left_out:
                    continue
                vector = as_vectors(tensor[None])[0].tolist()
                rows.append({**place, "quantity": f"final {state}", **dict(enumerate(vector))})
        if output is not None:
            y = self.y(output).tolist()
            rows += [{"quantity": "y", "step": t, **dict(enumerate(row))} for t, row in enumerate(y, start=1)]
        return pd.DataFrame(rows).astype({"layer": "Int64", "step": "Int64"})

    def tables(self, steps: int | None = None, output: nn.Linear | None = None) -> list[Table]:
        """For the terminal: a table of each cell's first `steps` (None: all), then one of shapes and norms.

        A linear output layer adds a table of y_t.
        """
        tables = [cell_table(self.name, cell, steps, self.names) for cell in self.cells]
        tensors = {f"layer {layer} h_1 … h_T": self.layer(layer) for layer in range(self.layers)}
        for cell in self.cells:
            for name, final in cell.final.items():
                tensors[f"layer {cell.layer} {cell.direction}, final {name}"] = final
        if output is not None:
            tensors["y_1 … y_T"] = self.y(output)
            tables.append(outputs_table(self.name, self.y(output), steps, self.names))
        return [*tables, values_table(self.name, tensors, self.error)]

    def figure(self) -> Figure:
        """Heat maps of units over steps: for each cell, from left to right, x, the gates and the states.

        Of many units, those whose state behaves alike stand together, in the same order for gates and states.
        """
        panels = len(self.cells[0].panels())
        width = min(panels, MOST_PANELS_PER_ROW)
        height = math.ceil(panels / width)
        figure = Figure(figsize=(3.2 * width, 2.2 * height * len(self.cells) + 0.4), layout="constrained")
        grid = figure.subplots(len(self.cells) * height, width, squeeze=False)
        most_units = 0
        for cell, places in zip(self.cells, grid.reshape(len(self.cells), -1), strict=True):
            orders = cell.unit_orders()
            most_units = max(most_units, *map(len, orders.values()))
            for axes, (title, steps) in zip(places, cell.panels().items(), strict=False):
                draw_units(axes, steps, orders[title], title, self.names)
            for axes in places[panels:]:
                axes.set_axis_off()
            places[0].set_ylabel(f"layer {cell.layer} {cell.direction}\nunit")
        figure.suptitle(with_order(self.name, most_units))
        figure.supxlabel("step")
        return figure

    def _cells(self, layer: int) -> list[CellTrace]:
        return [cell for cell in self.cells if cell.layer == layer % self.layers]


def trace(
    recurrence: Recurrence,
    x: Float[Tensor, "batch time input"],
    state: list[State] | None = None,
    lengths: Int[Tensor, " batch"] | None = None,
    *,
    row: int = 0,
) -> Trace:
    """Run a recurrence and trace the valid steps of one sequence of the batch."""
    (traced,) = trace_model(lambda: recurrence(x, state, lengths), recurrence, row=row)
    return traced


@torch.no_grad()
def trace_model(forward: Callable[[], Any], module: nn.Module, *, row: int = 0) -> list[Trace]:
    """Trace every recurrence of `module` while `forward` runs it, without dropout.

    There is a trace for each call of a recurrence, in order. Successive calls of `step`, as a decoder makes
    them, are one sequence, in which every step has the state that it was given. `row` chooses the sequence of
    the batch. (With beam search, trace a batch of one: row 0 is the first place in the beam.)

    Raises:
        InputError: the module has no recurrence.
    """
    seen: Counter[str] = Counter()
    traces = []
    for call in record(forward, module, row):
        seen[call.name] += 1
        name = call.name if seen[call.name] == 1 else f"{call.name}, call {seen[call.name]}"
        traces.append(Trace(name, trace_cells(call), torch.stack(call.outputs).cpu()))
    return traces


def _by_hand(output: nn.Linear, h: Float[Tensor, "*time hidden"]) -> Float[Tensor, "*time outputs"]:
    y = h @ output.weight.detach().cpu().mT
    return y if output.bias is None else y + output.bias.detach().cpu()
