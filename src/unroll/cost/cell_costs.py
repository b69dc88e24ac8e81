"""What cells cost: as data, as tables and as a picture."""

import math
from dataclasses import asdict, dataclass

import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

MEGABYTE = 1e6

TABLE_COLUMNS = {
    "time": (
        ("multiply-\nadds, M", "operations", 1e6, 1),
        ("forward\nms", "forward_ms", 1, 2),
        ("training\nms", "training_ms", 1, 2),
        ("forward\nns each", "forward_ns_per_operation", 1, 3),
        ("training\nns each", "training_ns_per_operation", 1, 3),
    ),
    "memory": (
        ("weights", "parameters", 1, 0),
        ("kept\nMB", "activation_bytes", MEGABYTE, 2),
        ("forward\nMB", "forward_measured_bytes", MEGABYTE, 2),
        ("× pre-\ndicted", "forward_memory_ratio", 1, 2),
        ("training\nMB", "measured_bytes", MEGABYTE, 2),
        ("× pre-\ndicted", "memory_ratio", 1, 2),
    ),
}
"""The columns of each table: heading, column of the frame, unit, digits."""

LINE_STYLES = {"loop": "--", "fused": "-", "scan": "-.", "chunk": "-.", "parallel": "-."}

PANELS = (
    ("forward, ms", "forward_ms", None, 1.0),
    ("training, ms", "training_ms", None, 1.0),
    ("forward, MB", "forward_measured_bytes", "forward_predicted_bytes", MEGABYTE),
    ("training, MB\n(dotted: predicted)", "measured_bytes", "predicted_bytes", MEGABYTE),
)
"""The rows of the picture: label, measured value, predicted value (None: there is no prediction), unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCost:
    """One layer of one cell at one length.

    Attributes:
        forward_ms, training_ms: median time of a pass without gradients, and of a forward and backward pass.
        forward_measured_bytes, measured_bytes: the peak memory of each: weights, inputs, and what
            `peak_bytes` measures.
        operations: multiply-adds of the forward pass, B·T times those in the matrix products of one step: of
            a cell with gates, gates·H·I + gates·H². Training takes three times as many.
        activation_bytes: what autograd keeps between the forward and the backward pass.
        forward_predicted_bytes, predicted_bytes: the peak memory that these numbers predict; NaN for a cell
            that has no formula.
    """

    cell: str
    execution: str
    hidden_size: int
    time: int
    forward_ms: float
    training_ms: float
    forward_measured_bytes: int
    measured_bytes: int
    operations: int
    parameters: int
    activation_bytes: int
    forward_predicted_bytes: float
    predicted_bytes: float


@dataclass(frozen=True, slots=True)
class CellCosts:
    """The costs over a grid of cells, hidden sizes and lengths."""

    costs: list[CellCost]
    input_size: int
    batch_size: int
    device: str

    def frame(self) -> pd.DataFrame:
        """A row for each cost. A memory ratio is measured / predicted."""
        frame = pd.DataFrame([asdict(cost) for cost in self.costs])
        frame["forward_memory_ratio"] = frame["forward_measured_bytes"] / frame["forward_predicted_bytes"]
        frame["memory_ratio"] = frame["measured_bytes"] / frame["predicted_bytes"]
        frame["forward_ns_per_operation"] = frame["forward_ms"] * 1e6 / frame["operations"]
        frame["training_ns_per_operation"] = frame["training_ms"] * 1e6 / (3 * frame["operations"])
        return frame

    def tables(self) -> list[Table]:
        """Two tables for the terminal, time and memory, each beside what can be counted."""
        rows = self.frame().to_dict("records")
        tables = []
        for title, columns in TABLE_COLUMNS.items():
            caption = f"batches of {self.batch_size} × T × {self.input_size}, on {self.device}"
            table = Table(title=title, caption=caption, box=box.SIMPLE, padding=(0, 0, 0, 1))
            table.add_column("cell", no_wrap=True)
            for heading in ("H", "T", *(heading for heading, *_ in columns)):
                table.add_column(heading, justify="right")
            for row in rows:
                numbers = [_shown(row[name] / unit, digits) for _, name, unit, digits in columns]
                cell = f"{row['cell']} {row['execution']}"
                table.add_row(cell, f"{row['hidden_size']}", f"{row['time']}", *numbers)
            tables.append(table)
        return tables

    def figure(self) -> Figure:
        """Time and memory against T: a column for each hidden size, a line for each cell and execution."""
        sizes = sorted({cost.hidden_size for cost in self.costs})
        lengths = sorted({cost.time for cost in self.costs})
        cells = list(dict.fromkeys(cost.cell for cost in self.costs))
        figure = Figure(figsize=(2 + 3 * len(sizes), 10), layout="constrained")
        panels = figure.subplots(len(PANELS), len(sizes), sharex=True, sharey="row", squeeze=False)
        for column, size in enumerate(sizes):
            costs = sorted((c for c in self.costs if c.hidden_size == size), key=lambda cost: cost.time)
            for cell, execution in dict.fromkeys((cost.cell, cost.execution) for cost in self.costs):
                own = [c for c in costs if (c.cell, c.execution) == (cell, execution)]
                colour, label = f"C{cells.index(cell)}", f"{cell} {execution}"
                for axes, (_, measured, predicted, unit) in zip(panels[:, column], PANELS, strict=True):
                    axes.plot(
                        [cost.time for cost in own],
                        [getattr(cost, measured) / unit for cost in own],
                        color=colour,
                        linestyle=LINE_STYLES[execution],
                        marker=".",
                        label=label,
                    )
                    if predicted:
                        values = [getattr(cost, predicted) / unit for cost in own]
                        axes.plot([cost.time for cost in own], values, color=colour, linestyle=":", alpha=0.6)
            panels[0, column].set_title(f"H = {size}")
            panels[-1, column].set(xlabel="T", xscale="log")
            panels[-1, column].set_xticks(lengths, [str(length) for length in lengths])
            panels[-1, column].xaxis.minorticks_off()
        for row, (label, *_) in enumerate(PANELS):
            panels[row, 0].set(ylabel=label, yscale="log")
        for axes in panels.flat:
            axes.grid(alpha=0.3)
        figure.legend(
            *panels[0, 0].get_legend_handles_labels(),
            frameon=False,
            handlelength=3,
            loc="outside right upper",
        )
        return figure


def _shown(number: float, digits: int) -> str:
    return "" if math.isnan(number) else f"{number:,.{digits}f}"
