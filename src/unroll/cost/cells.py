"""What cells cost: time and memory as measured, beside what can be counted without running them."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from unroll.config.components import CellConfig, Execution
from unroll.cost.cell_costs import CellCost, CellCosts
from unroll.cost.memory import kept_bytes, peak_bytes, size_of
from unroll.models.size import step_operations
from unroll.nn.cells.base import Cell
from unroll.nn.cells.fused import FusedCell
from unroll.nn.cells.lstm import LSTM
from unroll.nn.cells.minimal import MinimalCell
from unroll.nn.recurrence import Recurrence

COUNTED_LENGTHS = (8, 16)
"""What autograd keeps is counted at these two lengths, which cost next to nothing: with gates, it grows
linearly in T. Of other cells it is counted at T itself."""


def profile_cells(
    cells: Mapping[str, CellConfig],
    hidden_sizes: Sequence[int],
    times: Sequence[int],
    *,
    input_size: int = 16,
    batch_size: int = 16,
    every_execution: bool = False,
    repeats: int = 5,
    device: torch.device | None = None,
) -> CellCosts:
    """Measure each cell at each hidden size and length, in its default execution or in `every_execution`.

    The keys of `cells` are the names that tables and pictures show.
    """
    device = device or torch.device("cpu")
    costs = []
    for name, cell in cells.items():
        executions = _cell(Recurrence(cell, 1, cell.unit())).executions
        for execution in executions if every_execution else executions[:1]:
            for hidden_size in hidden_sizes:
                recurrence = Recurrence(cell, input_size, hidden_size, execution=execution).to(device)
                for steps in times:
                    x = torch.randn(batch_size, steps, input_size, device=device)
                    costs.append(_cost(name, recurrence, x, repeats))
    where = f"{device}, threads: {torch.get_num_threads()}" if device.type == "cpu" else str(device)
    return CellCosts(costs, input_size, batch_size, where)


def median_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The median time that the device takes for `work`, without the first call, which warms up."""
    seconds = []
    for _ in range(repeats + 1):
        _synchronize(device)
        start = time.perf_counter()
        work()
        _synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _cost(name: str, recurrence: Recurrence, x: Tensor, repeats: int) -> CellCost:
    cell = _cell(recurrence)
    batch_size, steps, _ = x.shape
    # Every value of every output gets a gradient, as from a linear layer on top.
    head = torch.ones(cell.output_size, device=x.device)

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
    forward_measured = peak_bytes(forward, x.device) + weights + inputs
    recurrence.zero_grad()
    measured = peak_bytes(train, x.device) + weights + inputs
    gates = _gates(recurrence)
    if gates is None:
        activations = kept(steps)
    else:
        first, second = COUNTED_LENGTHS
        kept_first, kept_second = kept(first), kept(second)
        activations = kept_first + round((kept_second - kept_first) / (second - first) * (steps - first))
    forward_predicted = predicted = math.nan
    if gates is not None:
        vector = batch_size * steps * cell.hidden_size * x.element_size()
        forward_vectors = _forward_vectors(recurrence.execution, gates)
        forward_predicted = weights * (1 + _copies(recurrence)) + inputs + forward_vectors * vector
        # Weights and their gradients; for the largest weight also the term being added and the new sum.
        held = 2 * weights + 2 * largest + inputs + activations
        predicted = held + _working_vectors(recurrence.execution, gates) * vector
    return CellCost(
        cell=name,
        execution=recurrence.execution.value,
        hidden_size=cell.hidden_size,
        time=steps,
        forward_ms=forward_ms,
        training_ms=training_ms,
        forward_measured_bytes=forward_measured,
        measured_bytes=measured,
        operations=batch_size * steps * step_operations(recurrence),
        parameters=sum(p.numel() for p in cell.parameters()),
        activation_bytes=activations,
        forward_predicted_bytes=forward_predicted,
        predicted_bytes=predicted,
    )


def _forward_vectors(execution: Execution, gates: int) -> int:
    """How many vectors of H values per step are alive at the peak of a pass without gradients.

    A loop holds the outputs twice: one by one, and joined. A fused kernel also holds all gates of all steps;
    a scan holds, besides, the terms that it is about to join.
    """
    if execution is Execution.loop:
        return 2
    return gates + (2 if execution is Execution.fused else 5)


def _copies(recurrence: Recurrence) -> int:
    """How often the weights are copied: oneDNN, which runs an LSTM on a CPU, has a layout of its own."""
    return int(recurrence.execution is Execution.fused and isinstance(_cell(recurrence), LSTM))


def _working_vectors(execution: Execution, gates: int) -> int:
    """How many vectors of H values per step are alive at the peak of training, besides what is kept.

    All executions hold the outputs. A fused kernel also holds the gradients of all gates of all steps, and a
    scan the shifted, flipped and scanned gradients. A loop holds the gradients of one step at a time.
    """
    if execution is Execution.loop:
        return 1
    return 1 + gates if execution is Execution.fused else 7


def _gates(recurrence: Recurrence) -> int | None:
    """Of a cell whose gates are all that it computes; None for any other, whose memory nothing predicts."""
    cell = _cell(recurrence)
    return cell.gates if isinstance(cell, FusedCell | MinimalCell) else None


def _cell(recurrence: Recurrence) -> Cell:
    cell = recurrence.cells[0]
    assert isinstance(cell, Cell)
    return cell


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
