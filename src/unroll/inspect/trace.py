"""A recorded forward pass: every number that a recurrence makes of one sequence, step by step.

Steps count from 1, as in h_1 … h_T; h_0 is the initial state. Layers count from 0, as in torch.nn.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import pandas as pd
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich import box
from rich.table import Table
from torch import Tensor, nn

from unroll.errors import InputError
from unroll.nn.cells.base import Cell, State
from unroll.nn.cells.fused import FusedCell
from unroll.nn.cells.gru import GRU
from unroll.nn.cells.lstm import LSTM
from unroll.nn.cells.min_gru import MinGRU
from unroll.nn.cells.min_lstm import MinLSTM
from unroll.nn.cells.rnn import RNN
from unroll.nn.recurrence import Recurrence

Gated = Float[Tensor, "time gates hidden"]

DIRECTIONS = ("forward", "backward")


@dataclass(frozen=True, slots=True)
class Equations:
    """The names of a cell's gates, in the order of its weights, and what they compute.

    `gate` turns the contributions of the input and of the memory, biases included, into the gates'
    pre-activations and activations.
    """

    names: tuple[str, ...]
    gate: Callable[[Any, Gated, Gated], tuple[Gated, Gated]]


def _elman(cell: RNN, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    return z, torch.relu(z) if cell.relu else torch.tanh(z)


def _gru(cell: GRU, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    z[:, 2] = of_input[:, 2] + torch.sigmoid(z[:, 0]) * of_memory[:, 2]  # the reset gate acts on the memory
    return z, torch.cat([torch.sigmoid(z[:, :2]), torch.tanh(z[:, 2:])], dim=1)


def _lstm(cell: LSTM, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    values = torch.sigmoid(z)
    values[:, 2] = torch.tanh(z[:, 2])
    return z, values


def _minimal(cell: MinGRU | MinLSTM, of_input: Gated, of_memory: Gated) -> tuple[Gated, Gated]:
    z = of_input + of_memory
    values = torch.sigmoid(z)
    values[:, -1] = torch.where(z[:, -1] >= 0, z[:, -1] + 0.5, values[:, -1])
    return z, values


EQUATIONS: dict[type[nn.Module], Equations] = {
    RNN: Equations(("pre-activation",), _elman),
    GRU: Equations(("reset", "update", "new"), _gru),
    LSTM: Equations(("input", "forget", "cell", "output"), _lstm),
    MinGRU: Equations(("update", "new"), _minimal),
    MinLSTM: Equations(("forget", "input", "new"), _minimal),
}
"""Of any other cell only inputs and states are traced."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a cell's gates computed at every step, the gates in the order of `names`.

    z = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, of which `of_input` is W_ih x_t and `of_memory` W_hh h_{t-1}
    (0 where gates do not read the memory); only the GRU's new value is
    z = W_ih x_t + b_ih + reset ⊙ (W_hh h_{t-1} + b_hh). `values` are the activations.
    """

    names: tuple[str, ...]
    of_input: Float[Tensor, "time gates hidden"]
    of_memory: Float[Tensor, "time gates hidden"]
    input_bias: Float[Tensor, "gates hidden"]
    memory_bias: Float[Tensor, "gates hidden"]
    z: Float[Tensor, "time gates hidden"]
    values: Float[Tensor, "time gates hidden"]


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


@dataclass(frozen=True, slots=True)
class Trace:
    """A recurrence over one sequence: every cell in torch.nn's order, and what the model itself gave."""

    name: str
    cells: list[CellTrace]
    outputs: Float[Tensor, "time directions_hidden"]

    @property
    def directions(self) -> int:
        """1, or 2 when bidirectional."""
        return len({cell.direction for cell in self.cells})

    @property
    def error(self) -> float:
        """How far the traced outputs are from the model's own: rounding, and no more."""
        return (self.layer(-1) - self.outputs).abs().max().item()

    def layer(self, layer: int) -> Float[Tensor, "time directions_hidden"]:
        """A layer's outputs of every step, the directions side by side; -1 is the top layer."""
        return torch.cat([cell.after["h"] for cell in self._cells(layer)], dim=-1)

    def last(self) -> Float[Tensor, " directions_hidden"]:
        """The top layer's output of the last valid step, as `Pooling.last` takes it."""
        return torch.cat([cell.final["h"] for cell in self._cells(-1)])

    def y(self, output: nn.Linear) -> Float[Tensor, "time outputs"]:
        """W h_t + b by hand, for a linear output layer at every step."""
        return _by_hand(output, self.layer(-1))

    def y_last(self, output: nn.Linear) -> Float[Tensor, " outputs"]:
        """W h + b by hand, for a linear output layer on the last valid step."""
        return _by_hand(output, self.last())

    def frame(self) -> pd.DataFrame:
        """A row for each cell and step; see `CellTrace.frame`."""
        return pd.concat([cell.frame() for cell in self.cells], ignore_index=True)

    def values(self, output: nn.Linear | None = None) -> pd.DataFrame:
        """All inputs, step outputs and final states: a row for each, a column for each unit.

        With a linear output layer also y_t = W h_t + b.
        """
        rows: list[dict[Any, Any]] = []
        for cell in self.cells:
            place: dict[Any, Any] = {"layer": cell.layer, "direction": cell.direction}
            for quantity, steps in (("x", cell.x), *cell.after.items()):
                rows += [
                    {**place, "quantity": quantity, "step": step, **dict(enumerate(row))}
                    for step, row in enumerate(steps.tolist(), start=1)
                ]
            for state, tensor in cell.final.items():
                rows.append({**place, "quantity": f"final {state}", **dict(enumerate(tensor.tolist()))})
        if output is not None:
            y = self.y(output).tolist()
            rows += [{"quantity": "y", "step": t, **dict(enumerate(row))} for t, row in enumerate(y, start=1)]
        return pd.DataFrame(rows).astype({"layer": "Int64", "step": "Int64"})

    def tables(self, steps: int | None = None, output: nn.Linear | None = None) -> list[Table]:
        """For the terminal: a table of each cell's (first) `steps`, then one of shapes, values and norms.

        With a linear output layer also of y_t.
        """
        tables = [_steps_table(self.name, cell, steps) for cell in self.cells]
        return [*tables, _values_table(self, output)]

    def figure(self) -> Figure:
        """Heat maps, units over steps: a row for each cell, with its gates' activations and its states."""
        panels = [_panels(cell) for cell in self.cells]
        width = max(len(row) for row in panels)
        figure = Figure(figsize=(3.2 * width, 2.4 * len(panels) + 0.4), layout="constrained")
        grid = figure.subplots(len(panels), width, squeeze=False)
        for cell, row, places in zip(self.cells, panels, grid, strict=True):
            for (title, steps), axes in zip(row.items(), places, strict=False):
                _heat_map(axes, steps, title)
            for axes in places[len(row) :]:
                axes.set_axis_off()
            places[0].set_ylabel(f"layer {cell.layer} {cell.direction}\nunit")
        figure.suptitle(self.name)
        figure.supxlabel("step")
        return figure

    def _cells(self, layer: int) -> list[CellTrace]:
        layers = len(self.cells) // self.directions
        return [cell for cell in self.cells if cell.layer == layer % layers]


@dataclass(slots=True)
class _Call:
    """A recurrence's inputs and outputs of one sequence, and the states given to it before some steps."""

    name: str
    recurrence: Recurrence
    stepwise: bool
    x: list[Tensor] = field(default_factory=list)
    given: dict[int, list[State]] = field(default_factory=dict)
    outputs: list[Tensor] = field(default_factory=list)


def recurrences(module: nn.Module) -> dict[str, Recurrence]:
    """The recurrences of a model that have a layer, by their names in it.

    Raises:
        InputError: it has none.
    """
    found = {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, Recurrence) and part.num_layers > 0
    }
    if not found:
        raise InputError("the model has no recurrence to look into: model.num_layers must be 1 or more")
    return found


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

    One trace for each call of a recurrence, in their order. Calls of its `step` one after the other, as a
    decoder makes them, are one sequence, in which every step has the state that it was given. `row` chooses
    the sequence of the batch. (Of beam search trace a batch of one: row 0 is the first place in the beam.)
    """
    calls: list[_Call] = []
    modes = {part: part.training for part in module.modules()}
    undo: list[Callable[[], None]] = []
    try:
        module.eval()
        for name, recurrence in recurrences(module).items():
            undo.append(_listen(calls, name or "recurrence", recurrence, row))
        forward()
        return _traces(calls)
    finally:
        for stop in undo:
            stop()
        for part, mode in modes.items():
            part.training = mode


def _traces(calls: list[_Call]) -> list[Trace]:
    seen: Counter[str] = Counter()
    traces = []
    for call in calls:
        seen[call.name] += 1
        name = call.name if seen[call.name] == 1 else f"{call.name}, call {seen[call.name]}"
        traces.append(Trace(name, _trace_cells(call), torch.stack(call.outputs).cpu()))
    return traces


def _listen(calls: list[_Call], name: str, recurrence: Recurrence, row: int) -> Callable[[], None]:
    """Add what the recurrence is given and gives to `calls`, until the returned function is called."""

    def own(state: list[State]) -> list[State]:
        return [tuple(tensor[row : row + 1] for tensor in tensors) for tensors in state]

    def on_sequence(
        outputs: Tensor, x: Tensor, state: list[State] | None = None, lengths: Tensor | None = None
    ) -> None:
        length = x.shape[1] if lengths is None else int(lengths[row])
        initial = own(recurrence.initial_state(x) if state is None else state)
        call = _Call(
            name, recurrence, False, list(x[row, :length]), {0: initial}, list(outputs[row, :length])
        )
        calls.append(call)

    def on_step(x: Tensor, state: list[State]) -> tuple[Tensor, list[State]]:
        mine = [call for call in calls if call.recurrence is recurrence]
        if not mine or not mine[-1].stepwise:
            mine.append(_Call(name, recurrence, True))
            calls.append(mine[-1])
        output, new = step(x, state)
        mine[-1].given[len(mine[-1].x)] = own(state)
        mine[-1].x.append(x[row])
        mine[-1].outputs.append(output[row])
        return output, new

    step = recurrence.step
    listened: Any = recurrence  # a method of one object is replaced: torch has hooks for forward only
    listened.step = on_step
    handle = recurrence.register_forward_hook(
        lambda _, args, kwargs, result: on_sequence(result[0], *args, **kwargs), with_kwargs=True
    )

    def stop() -> None:
        handle.remove()
        del listened.step

    return stop


def _trace_cells(call: _Call) -> list[CellTrace]:
    """Every cell, from the inputs and the given states alone."""
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
        cells.append(
            CellTrace(
                layer,
                DIRECTIONS[direction],
                x.cpu(),
                _by_name(cell, before),
                _by_name(cell, after),
                _trace_gates(cell, x, h),
            )
        )
    return cells


def _by_name(cell: Cell, states: dict[int, State]) -> dict[str, Float[Tensor, "time hidden"]]:
    tensors = zip(*(states[t] for t in range(len(states))), strict=True)
    return {name: torch.cat(steps).cpu() for name, steps in zip(cell.state_names, tensors, strict=True)}


def _trace_gates(cell: Cell, x: Float[Tensor, "time input"], h: Float[Tensor, "time hidden"]) -> Gates | None:
    equations = EQUATIONS.get(type(cell))
    if equations is None:
        return None
    shape = (len(equations.names), cell.hidden_size)
    weights = dict(cell.named_parameters())
    of_input = (x @ weights["weight_ih"].mT).view(-1, *shape)
    input_bias = weights["bias_ih"].view(shape)
    of_memory, memory_bias = torch.zeros_like(of_input), torch.zeros_like(input_bias)
    if isinstance(cell, FusedCell):
        of_memory = (h @ weights["weight_hh"].mT).view(-1, *shape)
        memory_bias = weights["bias_hh"].view(shape)
    z, values = equations.gate(cell, of_input + input_bias, of_memory + memory_bias)
    tensors = (of_input, of_memory, input_bias, memory_bias, z, values)
    return Gates(equations.names, *(tensor.detach().cpu() for tensor in tensors))


def _by_hand(output: nn.Linear, h: Float[Tensor, "*time hidden"]) -> Float[Tensor, "*time outputs"]:
    y = h @ output.weight.detach().cpu().mT
    return y if output.bias is None else y + output.bias.detach().cpu()


def _norms(steps: Float[Tensor, "_time ..."]) -> list[float]:
    norms: list[float] = torch.linalg.vector_norm(steps.flatten(1).double(), dim=1).tolist()
    return norms


def _range(name: str, steps: Float[Tensor, "time hidden"]) -> dict[str, list[float]]:
    return {f"{name}_min": steps.amin(dim=1).tolist(), f"{name}_max": steps.amax(dim=1).tolist()}


def _steps_table(name: str, cell: CellTrace, steps: int | None) -> Table:
    frame = cell.frame()[:steps]
    total = "" if len(frame) == len(cell.x) else f", first {len(frame)} of {len(cell.x)} steps"
    title = f"{name}, layer {cell.layer} {cell.direction}{total}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=0)  # 80 columns hold an LSTM
    norms = {"‖h‖ before": "h_before_norm", "‖W_ih x‖": "input_norm", "‖W_hh h‖": "memory_norm"}
    ranges = [name.removesuffix("_min") for name in map(str, frame) if name.endswith("_min")]
    norms = {heading: column for heading, column in norms.items() if column in frame}
    for heading in ("t", "x", *norms, *(column.replace("_", " ") for column in ranges)):
        table.add_column(heading, justify="right", min_width=6 if heading != "t" else None)
    for row, x in zip(frame.to_dict("records"), cell.x, strict=False):
        table.add_row(
            str(row["step"]),
            _shortened(x),
            *(f"{row[column]:.3f}" for column in norms.values()),
            *(f"{row[f'{column}_min']:.2f} {row[f'{column}_max']:.2f}" for column in ranges),
        )
    return table


def _values_table(trace: Trace, output: nn.Linear | None) -> Table:
    table = Table(
        title=f"{trace.name}: step outputs and final states",
        title_justify="left",
        caption=f"the trace gives the model's own outputs to {trace.error:.0e}",
        caption_justify="left",
    )
    for heading in ("", "shape", "norm", "range", "values"):
        table.add_column(heading)
    layers = len(trace.cells) // trace.directions
    tensors = {f"layer {layer} h_1 … h_T": trace.layer(layer) for layer in range(layers)}
    for cell in trace.cells:
        for name, final in cell.final.items():
            tensors[f"layer {cell.layer} {cell.direction}, final {name}"] = final
    if output is not None:
        tensors["y_1 … y_T"] = trace.y(output)
    for name, tensor in tensors.items():
        low, high = tensor.aminmax()
        values = _shortened(tensor.flatten()[-tensor.shape[-1] :])
        shape = " × ".join(map(str, tensor.shape))
        table.add_row(name, shape, f"{tensor.norm():.3f}", f"{low:.2f} {high:.2f}", values)
    return table


def _shortened(x: Float[Tensor, " size"], most: int = 3) -> str:
    return " ".join(f"{value:.2f}" for value in x[:most]) + (" …" if len(x) > most else "")


def _panels(cell: CellTrace) -> dict[str, Float[Tensor, "time size"]]:
    panels = {"x": cell.x}
    if cell.gates is not None:
        # The activation of the Elman cell's one gate is h itself.
        shown = cell.gates.z if len(cell.gates.names) == 1 else cell.gates.values
        panels |= dict(zip(cell.gates.names, shown.unbind(dim=1), strict=True))
    return panels | cell.after


def _heat_map(axes: Axes, steps: Float[Tensor, "time size"], title: str) -> None:
    """Blue to red around 0 for what has a sign; dark to light from 0 to 1 or more for what has none."""
    low, high = (limit.item() for limit in steps.aminmax())
    limit = max(-low, high)
    signed = {"cmap": mpl.colormaps["RdBu_r"], "vmin": -limit, "vmax": limit}
    unsigned = {"cmap": mpl.colormaps["viridis"], "vmin": 0.0, "vmax": max(1.0, high)}
    time, size = steps.shape
    image = axes.imshow(
        steps.float().mT.numpy(),
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, time + 0.5, size - 0.5, -0.5),
        **(signed if low < 0 else unsigned),
    )
    axes.set_title(title, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes)
