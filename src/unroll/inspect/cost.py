"""What recurrences cost: time and memory as measured, beside what can be counted without running them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import pandas as pd
import torch
from matplotlib.figure import Figure
from rich.table import Table
from torch import Tensor

from unroll.components import CellConfig, Execution
from unroll.inspect.memory import kept_bytes, peak_bytes, size_of
from unroll.nn.cells.base import Cell
from unroll.nn.cells.fused import FusedCell
from unroll.nn.recurrence import Recurrence

MEGABYTE = 1e6
SHORT = (8, 16)
"""Two lengths so short that they are as good as free, which what is kept at any other is counted from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One recurrence of one layer at one length.

    Attributes:
        forward_ms, training_ms: median times of a pass without gradients, and of one forward and backward.
        measured_bytes: the most memory in training: weights, inputs, and what `peak_bytes` measures.
        operations: multiply-adds of the forward pass, B·T·(gates·H·I + gates·H²); training does 3 times as
            many.
        activation_bytes: what is kept between the passes.
        predicted_bytes: of `measured_bytes`, from the numbers above.
    """

    cell: str
    execution: str
    hidden_size: int
    time: int
    forward_ms: float
    training_ms: float
    measured_bytes: int
    operations: int
    parameters: int
    activation_bytes: int
    predicted_bytes: int

    @property
    def label(self) -> str:
        """What the picture calls it."""
        return f"{self.cell} {self.execution}, H={self.hidden_size}"


@dataclass(frozen=True, slots=True)
class CostProfile:
    """The costs over a grid of cells, hidden sizes and lengths."""

    costs: list[Cost]
    input_size: int
    batch_size: int
    device: str

    def frame(self) -> pd.DataFrame:
        """A row for each cost. Ratios are of what was measured to what was counted."""
        frame = pd.DataFrame([asdict(cost) for cost in self.costs])
        frame["memory_ratio"] = frame["measured_bytes"] / frame["predicted_bytes"]
        frame["forward_ns_per_operation"] = frame["forward_ms"] * 1e6 / frame["operations"]
        frame["training_ns_per_operation"] = frame["training_ms"] * 1e6 / (3 * frame["operations"])
        return frame

    def table(self) -> Table:
        """The same for the terminal."""
        title = f"{self.device}, batches of {self.batch_size}, {self.input_size} features"
        table = Table("cell", "execution", title=title)
        for column in (
            *("H", "T", "forward ms", "training ms", "MB", "MB predicted", "ratio"),
            *("parameters", "million operations", "training ns each"),
        ):
            table.add_column(column, justify="right")
        for row in self.frame().to_dict("records"):
            table.add_row(
                row["cell"],
                row["execution"],
                f"{row['hidden_size']}",
                f"{row['time']}",
                f"{row['forward_ms']:.2f}",
                f"{row['training_ms']:.2f}",
                f"{row['measured_bytes'] / MEGABYTE:.2f}",
                f"{row['predicted_bytes'] / MEGABYTE:.2f}",
                f"{row['memory_ratio']:.2f}",
                f"{row['parameters']:,}",
                f"{row['operations'] / 1e6:.1f}",
                f"{row['training_ns_per_operation']:.3f}",
            )
        return table

    def figure(self) -> Figure:
        """Time and memory of training against T: a line for each cell, execution and hidden size."""
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        panels = figure.subplots(1, 2)
        labels = list(dict.fromkeys(cost.label for cost in self.costs))
        for label in labels:
            costs = sorted((c for c in self.costs if c.label == label), key=lambda cost: cost.time)
            times = [cost.time for cost in costs]
            panels[0].plot(times, [cost.training_ms for cost in costs], marker=".", label=label)
            (line,) = panels[1].plot(times, [c.measured_bytes / MEGABYTE for c in costs], marker=".")
            predicted = [c.predicted_bytes / MEGABYTE for c in costs]
            panels[1].plot(times, predicted, linestyle=":", color=line.get_color())
        panels[0].set(ylabel="training, ms")
        panels[1].set(ylabel="training, MB (dotted: predicted)")
        for axes in panels:
            axes.set(xlabel="T", xscale="log", yscale="log")
            axes.grid(alpha=0.3)
        panels[0].legend(frameon=False, fontsize=8)
        return figure


def profile(
    cells: Sequence[CellConfig],
    hidden_sizes: Sequence[int],
    times: Sequence[int],
    *,
    input_size: int = 16,
    batch_size: int = 16,
    every_execution: bool = False,
    repeats: int = 5,
    device: torch.device | None = None,
) -> CostProfile:
    """Measure each cell at each hidden size and length, as it runs by default or in `every_execution`."""
    device = device or torch.device("cpu")
    costs = []
    for cell in cells:
        executions = _cell(Recurrence(cell, 1, 1)).executions
        for execution in executions if every_execution else executions[:1]:
            for hidden_size in hidden_sizes:
                recurrence = Recurrence(cell, input_size, hidden_size, execution=execution).to(device)
                for steps in times:
                    x = torch.randn(batch_size, steps, input_size, device=device)
                    costs.append(_cost(cell.name, recurrence, x, repeats))
    return CostProfile(costs, input_size, batch_size, str(device))


def median_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The median time of `work` to its end on the device, after a first time that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        _synchronize(device)
        start = time.perf_counter()
        work()
        _synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _cost(name: str, recurrence: Recurrence, x: Tensor, repeats: int) -> Cost:
    cell = _cell(recurrence)
    batch_size, steps, _ = x.shape
    # As a linear layer after it would: a gradient for every value of every output.
    head = torch.ones(cell.hidden_size, device=x.device)

    def forward() -> None:
        with torch.no_grad():
            recurrence(x)

    def loss(x: Tensor) -> Tensor:
        outputs, _ = recurrence(x)
        total: Tensor = (outputs @ head).sum()
        return total

    def train() -> None:
        recurrence.zero_grad()
        loss(x).backward()  # type: ignore[no-untyped-call]

    def kept(length: int) -> int:
        short = x.new_zeros(batch_size, length, x.shape[2])
        return kept_bytes(lambda: loss(short), besides=[short, head, *cell.parameters()])

    forward_ms = 1e3 * median_seconds(forward, x.device, repeats)
    training_ms = 1e3 * median_seconds(train, x.device, repeats)
    weights, inputs = size_of(cell.parameters()), size_of([x])
    largest = max(size_of([parameter]) for parameter in cell.parameters())
    recurrence.zero_grad()
    measured = peak_bytes(train, x.device) + weights + inputs
    less, more = (kept(length) for length in SHORT)
    activations = less + round((more - less) / (SHORT[1] - SHORT[0]) * (steps - SHORT[0]))
    vector = batch_size * steps * cell.hidden_size * x.element_size()
    return Cost(
        cell=name,
        execution=recurrence.execution.value,
        hidden_size=cell.hidden_size,
        time=steps,
        forward_ms=forward_ms,
        training_ms=training_ms,
        measured_bytes=measured,
        operations=batch_size * steps * sum(p.numel() for p in cell.parameters() if p.ndim == 2),
        parameters=sum(p.numel() for p in cell.parameters()),
        activation_bytes=activations,
        # Weights and their gradients; and of the largest one, what is being added and the new sum.
        predicted_bytes=2 * weights
        + 2 * largest
        + inputs
        + activations
        + _working_vectors(recurrence) * vector,
    )


def _working_vectors(recurrence: Recurrence) -> int:
    """Vectors of H values a step that are alive at the peak besides what is kept.

    The outputs, and of what computes all steps at once also gradients of all steps: of the gates in fused
    kernels, and in a scan the shifted, flipped and scanned ones. Step by step, they come and go.
    """
    cell = _cell(recurrence)
    if recurrence.execution is Execution.loop:
        return 1
    return 1 + cell.gates if isinstance(cell, FusedCell) else 7


def _cell(recurrence: Recurrence) -> Cell:
    cell = recurrence.cells[0]
    assert isinstance(cell, Cell)
    return cell


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
