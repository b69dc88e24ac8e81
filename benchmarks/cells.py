"""Every cell at equal parameters: a training step in time and memory against T, its fast way, decoding."""

from collections.abc import Callable
from statistics import median

import torch
from _setup import load_config
from _timing import Spread, in_turns, ratio, table, timed
from matplotlib.figure import Figure
from recurrences import train
from torch import Tensor, nn

from unroll.config import registry
from unroll.config.components import Execution, ModelConfig, RecurrentConfig
from unroll.cost.memory import peak_bytes
from unroll.models.size import parameter_count, resolve_size
from unroll.nn.cells.base import State
from unroll.nn.recurrence import Recurrence

BATCH_SIZE, INPUT_SIZE, PARAMETERS = 8, 64, 50_000
REPEATS = 5
TIMES = (64, 256, 1024, 4096)
LOOPED = (64, 256, 1024)
"""Lengths at which the step loop is measured, too."""
DECODED = (64, 1024, 4096)
"""Steps that were read before the steps whose time is taken."""
STEPS = 32
"""Decoded steps whose time is taken together."""
BASE = "lstm"
"""The cell that the others are measured beside, in its fused kernel."""
CPU = torch.device("cpu")


def run(quick: bool) -> tuple[str, Figure]:
    """One layer in one direction, without a block."""
    torch.set_num_threads(1)
    names = registry.names("model/cell")
    times, looped, decoded = (TIMES[:2], LOOPED[:1], DECODED[:1]) if quick else (TIMES, LOOPED, DECODED)
    repeats = 2 if quick else REPEATS
    fast = {name: of_equal_size(name, Execution.auto) for name in names}
    loops = {
        name: of_equal_size(name, Execution.loop)
        for name in names
        if fast[name].execution is not Execution.loop
    }
    seconds = {
        time: in_turns({name: training(cell, time) for name, cell in fast.items()}, repeats) for time in times
    }
    parts = [
        f"Batches of {BATCH_SIZE}, {INPUT_SIZE} inputs, hidden sizes for at most {PARAMETERS:,} parameters.",
        "A training step (forward and backward), in times of the fused LSTM's:",
        table(
            ["cell", "execution", "hidden size", "parameters", *(f"T = {time}" for time in times)],
            [
                [
                    name,
                    cell.execution.value,
                    hidden_size(cell),
                    f"{parameter_count(cell):,}",
                    *(ratio(taken[name], taken[BASE]) for taken in seconds.values()),
                ]
                for name, cell in fast.items()
            ],
        ),
        "The peak memory of a training step in MB, without weights and inputs:",
        table(
            ["cell", *(f"T = {time}" for time in times)],
            [[name, *(f"{memory(cell, time) / 1e6:.1f}" for time in times)] for name, cell in fast.items()],
        ),
        "The step loop of the same cell, in times of its fast way:",
        table(
            ["cell", "fast way", *(f"T = {time}" for time in looped)],
            [
                [name, fast[name].execution.value, *(loop_ratio(loop, fast[name], time) for time in looped)]
                for name, loop in loops.items()
            ],
        ),
        f"{STEPS} decoded steps after so many others, in times of those after {decoded[0]}:",
        table(["cell", *(f"after {before}" for before in decoded)], decoding(fast, decoded, repeats)),
    ]
    return "\n\n".join(parts), draw(seconds)


def of_equal_size(name: str, execution: Execution) -> Recurrence:
    """A layer of a cell with as many units as the budget allows, from the same first weights each time."""

    def make(config: ModelConfig) -> nn.Module:
        assert isinstance(config, RecurrentConfig)
        return Recurrence(config.cell, INPUT_SIZE, config.hidden_size, execution=execution)

    settings = load_config("model=many_to_one", f"model/cell={name}", f"model.parameters={PARAMETERS}")
    sized = resolve_size(settings.model, make)
    torch.manual_seed(1)
    made = make(sized)
    assert isinstance(made, Recurrence)
    return made


def hidden_size(recurrence: Recurrence) -> int:
    """Of its one cell."""
    return int(next(recurrence.cells.children()).hidden_size)  # type: ignore[arg-type]


def inputs(time: int) -> Tensor:
    """A batch of random steps."""
    return torch.randn(BATCH_SIZE, time, INPUT_SIZE, generator=torch.Generator().manual_seed(time))


def training(recurrence: Recurrence, time: int) -> Callable[[], float]:
    """A function that measures a training step at a length."""
    return timed(train, recurrence, inputs(time))


def memory(recurrence: Recurrence, time: int) -> int:
    """The peak bytes of a training step."""
    x = inputs(time)
    recurrence.zero_grad()
    return peak_bytes(lambda: train(recurrence, x), CPU)


def loop_ratio(loop: Recurrence, fast: Recurrence, time: int) -> Spread:
    """How many times as long the loop takes; three repeats, since it takes seconds."""
    x = inputs(time)
    with torch.no_grad():
        torch.testing.assert_close(loop(x)[0], fast(x)[0], atol=1e-4, rtol=1e-4)
    taken = in_turns({"loop": timed(train, loop, x), "fast": timed(train, fast, x)}, 3)
    return ratio(taken["loop"], taken["fast"])


@torch.no_grad()
def decoding(fast: dict[str, Recurrence], decoded: tuple[int, ...], repeats: int) -> list[list[object]]:
    """A row for each cell: what a step takes once its state has read more and more."""
    rows: list[list[object]] = []
    for name, recurrence in fast.items():
        states = {before: recurrence(inputs(before))[1] for before in decoded}
        taken = in_turns(
            {str(before): timed(decode, recurrence, state) for before, state in states.items()}, repeats
        )
        rows.append([name, *(ratio(taken[str(before)], taken[str(decoded[0])]) for before in decoded)])
    return rows


def decode(recurrence: Recurrence, state: list[State]) -> None:
    """Some steps, one by one, from a state."""
    for x in inputs(STEPS).unbind(dim=1):
        _, state = recurrence.step(x, state)


def draw(seconds: dict[int, dict[str, list[float]]]) -> Figure:
    """Time of a training step against T, a line for each cell."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(next(iter(seconds.values()))):
        axes.plot(
            list(seconds),
            [1e3 * median(taken[name]) for taken in seconds.values()],
            marker="o",
            linestyle=("-", "--")[number // 10],
            label=name,
        )
    axes.set(
        title=f"a training step, {PARAMETERS:,} parameters, {BATCH_SIZE} sequences",
        xlabel="T",
        ylabel="ms",
        xscale="log",
        yscale="log",
    )
    axes.set_xticks(list(seconds), [str(time) for time in seconds])
    axes.minorticks_off()
    figure.legend(frameon=False, loc="outside right upper")
    return figure
