"""The ways to run a recurrence over time: a step loop, a fused kernel, a parallel scan."""

from statistics import median

import torch
from _timing import in_turns, ratio, table, timed
from matplotlib.figure import Figure
from torch import Tensor

from unroll.config.components import Execution
from unroll.config.registry import from_dict
from unroll.nn.recurrence import Recurrence

BATCH_SIZE = 16
FAST = {
    "rnn": Execution.fused,
    "gru": Execution.fused,
    "lstm": Execution.fused,
    "min_gru": Execution.scan,
    "min_lstm": Execution.scan,
}
"""The fast execution of each cell."""
OF_ONE_CELL = [(f"{cell} loop", f"{cell} {fast.value}") for cell, fast in FAST.items()]
OF_TWO_CELLS = [("min_gru scan", "gru fused"), ("min_lstm scan", "lstm fused")]
DRAWN = ("gru loop", "gru fused", "min_gru loop", "min_gru scan")

Seconds = dict[str, list[float]]


def run(quick: bool) -> tuple[str, Figure]:
    """Outputs and gradients of one layer in one direction, with as many inputs as hidden units."""
    times, repeats = ((32, 128), 2) if quick else ((32, 128, 512, 2048), 5)
    torch.set_num_threads(1)
    seconds = {(size, time): measure(size, time, repeats) for size in (64, 256) for time in times}
    pairs = [*OF_ONE_CELL, *OF_TWO_CELLS]
    rows = [
        [size, time, *(ratio(taken[above], taken[below]) for above, below in pairs)]
        for (size, time), taken in seconds.items()
    ]
    header = ["hidden size", "T", *(f"{above} / {below}" for above, below in pairs)]
    return f"Batches of {BATCH_SIZE}; forward and backward.\n\n{table(header, rows)}", draw(seconds)


def measure(size: int, time: int, repeats: int) -> Seconds:
    """Seconds of every cell in every way."""
    torch.manual_seed(1)
    x = torch.randn(BATCH_SIZE, time, size)
    recurrences: dict[str, Recurrence] = {}
    for cell, fast in FAST.items():
        config = from_dict("model/cell", {"name": cell})
        loop, other = (Recurrence(config, size, size, execution=way) for way in (Execution.loop, fast))
        other.load_state_dict(loop.state_dict())
        torch.testing.assert_close(loop(x)[0], other(x)[0], atol=1e-5, rtol=1e-5)
        recurrences |= {f"{cell} loop": loop, f"{cell} {fast.value}": other}
    return in_turns({name: timed(train, module, x) for name, module in recurrences.items()}, repeats)


def train(recurrence: Recurrence, x: Tensor) -> None:
    """Outputs and gradients."""
    recurrence.zero_grad()
    recurrence(x)[0].sum().backward()


def draw(seconds: dict[tuple[int, int], Seconds]) -> Figure:
    """Time against T, one picture for each hidden size."""
    sizes = sorted({size for size, _ in seconds})
    figure = Figure(figsize=(5 * len(sizes), 4), layout="constrained")
    for axes, size in zip(figure.subplots(1, len(sizes), sharey=True), sizes, strict=True):
        times = [time for other, time in seconds if other == size]
        for name in DRAWN:
            axes.plot(times, [median(seconds[size, time][name]) for time in times], marker="o", label=name)
        axes.set(title=f"hidden size {size}", xlabel="T", xscale="log", yscale="log")
    figure.axes[0].set_ylabel(f"seconds, {BATCH_SIZE} sequences, forward and backward")
    figure.axes[0].legend()
    return figure
