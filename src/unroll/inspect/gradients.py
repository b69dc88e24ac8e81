"""The gradient of a loss with respect to every state: how it vanishes or explodes on its way back in time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich import box
from rich.table import Table
from torch import Tensor, nn

from unroll.config.components import Execution, Padding
from unroll.inspect.recording import recurrences
from unroll.nn.cells.base import Cell, OutputAndState, State, is_learnable, last_valid
from unroll.nn.recurrence import Recurrence

M = TypeVar("M", bound=nn.Module)

_STYLES = ("-", "--", ":", "-.")
"""Lines of a cell's first state tensor, its second …"""


@dataclass(frozen=True, slots=True)
class Curve:
    """The norm of ∂loss/∂state after every step that a cell took, over all sequences of the batch.

    `model` is the name given to it, `cell` the cell's place in it, `state` the name of a tensor in its
    state, as h or c. A cell that reads backwards counts its own steps.
    """

    model: str
    cell: str
    state: str
    norms: Float[np.ndarray, " time"]

    @property
    def reaching(self) -> float:
        """How much of the largest norm is left at the first step."""
        largest = self.norms.max()
        return float(self.norms[0] / largest) if largest > 0 else 0.0


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """The curves of one model or several."""

    curves: list[Curve]

    def frame(self) -> pd.DataFrame:
        """A row for each step of each curve: model, cell, state, step, norm."""
        frames = [
            pd.DataFrame(
                {
                    "model": curve.model,
                    "cell": curve.cell,
                    "state": curve.state,
                    "step": range(len(curve.norms)),
                    "norm": curve.norms,
                }
            )
            for curve in self.curves
        ]
        return pd.concat(frames, ignore_index=True)

    def table(self) -> Table:
        """The first step, the last and the largest of each curve, for the terminal."""
        table = Table(title="norm of ∂loss/∂state", box=box.SIMPLE)
        table.add_column("state")
        for column in ("first\nstep", "last\nstep", "largest", "first /\nlargest"):
            table.add_column(column, justify="right")
        for curve, label in zip(self.curves, self.labels(), strict=True):
            numbers = (curve.norms[0], curve.norms[-1], curve.norms.max(), curve.reaching)
            table.add_row(label, *(f"{number:.1e}" for number in numbers))
        return table

    def figure(self) -> Figure:
        """The norms over the steps, on a logarithmic scale: a colour for each cell, a style for each state.

        A norm of zero is not drawn.
        """
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        cells = list(dict.fromkeys((curve.model, curve.cell) for curve in self.curves))
        for curve, label in zip(self.curves, self.labels(), strict=True):
            place = curve.model, curve.cell
            states = [other.state for other in self.curves if (other.model, other.cell) == place]
            axes.plot(
                np.where(curve.norms > 0, curve.norms, np.nan),
                label=label,
                color=f"C{cells.index(place)}",
                linestyle=_STYLES[states.index(curve.state) % len(_STYLES)],
            )
        axes.set(xlabel="step", ylabel="norm of ∂loss/∂state", yscale="log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
        return figure

    def labels(self) -> list[str]:
        """What the picture calls each curve: its state, and of model and cell what tells them apart."""
        several_models = len({curve.model for curve in self.curves}) > 1
        several_cells = len({curve.cell for curve in self.curves}) > 1
        return [
            " ".join([curve.model] * several_models + [curve.cell] * several_cells + [curve.state])
            for curve in self.curves
        ]


def gradient_flow(models: Mapping[str, M], loss: Callable[[M], Tensor]) -> GradientFlow:
    """The gradient through time in each model; `loss` runs one forwards and returns a scalar.

    It is exact: every step is taken on its own, and its new state is a node of autograd's graph. All paths
    from a state to the loss count, those through later states and through the layers above. In float32 what
    is below 1e-45 is zero: `model.double()` shows more.

    Raises:
        InputError: a model has no recurrence.
    """
    curves = []
    for name, model in models.items():
        recurrences(model)
        with recorded_states(model) as record, torch.enable_grad():
            value = loss(model)
        made: list[tuple[str, str, list[Tensor]]] = []
        for path, states in record.items():
            cell = model.get_submodule(path)
            assert isinstance(cell, Cell)
            for number, state in enumerate(cell.state_shapes):
                steps = [tensors[number] for tensors in states]
                if is_learnable(steps[0]):  # and no count
                    made.append((path, state, steps))
        tensors = [tensor for _, _, steps in made for tensor in steps]
        # A state that the loss does not depend on has the gradient zero.
        gradients = iter(torch.autograd.grad(value, tensors, materialize_grads=True))
        for path, state, steps in made:
            norms = [_norm(next(gradients)) for _ in steps]
            curves.append(Curve(name, path, state, np.array(norms)))
    return GradientFlow(curves)


def last_output_loss(
    x: Float[Tensor, "batch time input"], lengths: Int[Tensor, " batch"] | None = None
) -> Callable[[Recurrence], Tensor]:
    """The sum of squares of a recurrence's last valid output on x."""

    def loss(recurrence: Recurrence) -> Tensor:
        outputs, _ = recurrence(x, lengths=lengths)
        return last_valid(outputs, lengths).square().sum()

    return loss


@contextmanager
def recorded_states(model: nn.Module) -> Iterator[dict[str, list[State]]]:
    """Meanwhile every cell runs step by step, and the states it makes are listed under its place in `model`.

    Where a sequence has ended, a cell makes a state that is not used. Cells that took no step are left out.
    """
    recurrences = [module for module in model.modules() if isinstance(module, Recurrence)]
    settings = [(one.execution, one.padding, one.checkpoint_steps) for one in recurrences]
    cells = {name: module for name, module in model.named_modules() if isinstance(module, Cell)}
    record: dict[str, list[State]] = {name: [] for name in cells}
    try:
        for recurrence in recurrences:
            recurrence.execution, recurrence.padding = Execution.loop, Padding.frozen
            recurrence.checkpoint_steps = 0
        for name, cell in cells.items():
            cell.__dict__["step"] = _recorder(cell, record[name])  # stands before the class's own
            cell.__dict__["sequence"] = cell.loop
        yield record
        for name in [name for name, steps in record.items() if not steps]:
            del record[name]
    finally:
        for recurrence, (execution, padding, steps) in zip(recurrences, settings, strict=True):
            recurrence.execution, recurrence.padding = execution, padding
            recurrence.checkpoint_steps = steps
        for cell in cells.values():
            cell.__dict__.pop("step", None)
            cell.__dict__.pop("sequence", None)


def _node(tensor: Tensor) -> Tensor:
    """The tensor as a node of autograd's graph, even if it depends on no parameter, as a buffer of inputs."""
    needs = torch.is_grad_enabled() and is_learnable(tensor) and not tensor.requires_grad
    return tensor.detach().requires_grad_() if needs else tensor


def _norm(gradient: Tensor) -> float:
    wide = torch.complex128 if gradient.is_complex() else torch.float64  # squares could underflow
    return float(gradient.to(wide).norm())


def _recorder(cell: Cell, states: list[State]) -> Callable[[Tensor, State], OutputAndState]:
    step = cell.step

    def record(x: Tensor, state: State) -> OutputAndState:
        sequence = cell.__dict__.pop("sequence")  # the cell's own: its step may be a sequence of one
        try:
            output, new = step(x, state)
        finally:
            cell.__dict__["sequence"] = sequence
        states.append(tuple(_node(tensor) for tensor in new))
        return output, states[-1]

    return record
