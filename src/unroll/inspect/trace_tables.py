"""The tables of a trace for the terminal."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from rich import box
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from unroll.inspect.cell_trace import CellTrace, as_vectors
from unroll.terminal import for_terminal


def cell_table(title: str, cell: CellTrace, steps: int | None, names: Sequence[str]) -> Table:
    """A cell's first `steps`: x or its name, norms of the contributions, ranges of gates and states."""
    frame = cell.frame()[:steps]
    title = f"{title}, layer {cell.layer} {cell.direction}{_first(len(frame), len(cell.x))}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=0)  # 80 columns hold an LSTM
    first = next(iter(cell.before))
    norms = {f"‖{first}‖ before": f"{first}_before_norm"}
    norms |= {"‖W_ih x‖": "input_norm", "‖W_hh h‖": "memory_norm"}
    norms = {heading: column for heading, column in norms.items() if column in frame}
    ranges = [name.removesuffix("_min") for name in map(str, frame) if name.endswith("_min")]
    for heading in ("t", "x", *norms, *(column.replace("_", " ") for column in ranges)):
        table.add_column(heading, justify="right", min_width=6 if heading != "t" else None)
    for t, row in enumerate(frame.to_dict("records")):
        table.add_row(
            str(row["step"]),
            escape(for_terminal(names[t])) if names else shortened(cell.x[t]),
            *(f"{row[column]:.3f}" for column in norms.values()),
            *(f"{row[f'{column}_min']:.2f} {row[f'{column}_max']:.2f}" for column in ranges),
        )
    return table


def outputs_table(
    title: str, y: Float[Tensor, "time outputs"], steps: int | None, names: Sequence[str]
) -> Table:
    """The outputs y_t of the first `steps`."""
    shown = y[:steps]
    title = f"{title}, y_t = W h_t + b{_first(len(shown), len(y))}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=0, min_width=len(title))
    for heading in ("t", *(["x"] if names else []), "y"):
        table.add_column(heading, justify="right")
    for t, values in enumerate(shown):
        name = [escape(for_terminal(name)) for name in names[t : t + 1]]
        table.add_row(str(t + 1), *name, shortened(values, most=8))
    return table


def values_table(title: str, tensors: Mapping[str, Tensor], error: float) -> Table:
    """The shape, norm, range and last values of each tensor."""
    table = Table(
        title=f"{title}: step outputs and final states",
        title_justify="left",
        caption=f"the trace gives the model's own outputs to {error:.0e}",
        caption_justify="left",
    )
    for heading in ("", "shape", "norm", "range", "values"):
        table.add_column(heading)
    for name, tensor in tensors.items():
        numbers = as_vectors(tensor[None])[0]
        low, high = numbers.aminmax()
        last = as_vectors(tensor)[-1] if tensor.ndim > 1 else numbers
        shape = " × ".join(map(str, tensor.shape))
        table.add_row(name, shape, f"{numbers.norm():.3f}", f"{low:.2f} {high:.2f}", shortened(last))
    return table


def shortened(x: Float[Tensor, " size"], most: int = 3) -> str:
    """The first values of a vector."""
    return " ".join(f"{value:.2f}" for value in x[:most]) + (" …" if len(x) > most else "")


def _first(shown: int, steps: int) -> str:
    return "" if shown == steps else f", first {shown} of {steps} steps"
