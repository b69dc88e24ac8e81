"""What a network at every step costs: as a loop, by vmap, in one call, and as a convolution along time."""

import torch
from _timing import Spread, in_turns, ratio, table, timed
from matplotlib.figure import Figure
from torch import Tensor

from unroll.config.registry import build, from_dict
from unroll.nn.front_ends.base import FrontEnd

BATCH_SIZE, FEATURES, HIDDEN, OUTPUTS = 64, 32, 64, 64
STRATEGIES = ("fused", "loop", "vmap")
Ratios = dict[str, Spread]  # front end: its time over that of the fused network


def run(quick: bool) -> tuple[str, Figure]:
    """Forward and backward of the front end alone, on sequences of T steps."""
    grid, repeats = ((16, 256), 3) if quick else ((16, 64, 256, 1024), 11)
    torch.set_num_threads(1)
    ratios = {steps: measure(steps, calls=max(1, 1024 // steps), repeats=repeats) for steps in grid}
    rows = [[steps, *spreads.values()] for steps, spreads in ratios.items()]
    names = next(iter(ratios.values()))
    caption = (
        f"Batches of {BATCH_SIZE} sequences of T steps, {FEATURES} features → {HIDDEN} → {OUTPUTS}; "
        "forward and backward."
    )
    return f"{caption}\n\n{table(['T', *(f'{name} / fused' for name in names)], rows)}", draw(ratios)


def measure(steps: int, calls: int, repeats: int) -> Ratios:
    """How many times as long as the fused network each front end takes. The networks share their weights."""
    modules = {strategy: make("mlp", hidden_size=HIDDEN, strategy=strategy) for strategy in STRATEGIES}
    for module in modules.values():
        module.load_state_dict(modules["fused"].state_dict())
    modules["conv"] = make("conv", channels=HIDDEN)
    x = torch.randn(BATCH_SIZE, steps, FEATURES, requires_grad=True)
    lengths = torch.full((BATCH_SIZE,), steps)
    for strategy in STRATEGIES:
        torch.testing.assert_close(modules[strategy](x), modules["fused"](x))
    seconds = in_turns(
        {name: timed(forward_backward, module, x, lengths, calls) for name, module in modules.items()},
        repeats,
    )
    return {name: ratio(taken, seconds["fused"]) for name, taken in seconds.items() if name != "fused"}


def make(name: str, **config: str | int) -> FrontEnd:
    """A front end of `OUTPUTS` features."""
    typed = from_dict("model/front_end", {"name": name, "output_size": OUTPUTS, **config})
    module: FrontEnd = build(typed, FEATURES, 0)
    return module


def forward_backward(module: FrontEnd, x: Tensor, lengths: Tensor, calls: int) -> None:
    """Gradients of the weights and of the input, as often as it takes to be measured."""
    for _ in range(calls):
        module.zero_grad()
        x.grad = None
        module(x, lengths).sum().backward()


def draw(ratios: dict[int, Ratios]) -> Figure:
    """The medians over T, with the quartiles as bars."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    grid = list(ratios)
    for name in ratios[grid[0]]:
        spreads = [ratios[steps][name] for steps in grid]
        medians = [spread.median for spread in spreads]
        below = [spread.median - spread.low for spread in spreads]
        above = [spread.high - spread.median for spread in spreads]
        axes.errorbar(grid, medians, yerr=(below, above), marker=".", capsize=3, label=name)
    axes.axhline(1, color="black", linewidth=0.8, label="fused")
    axes.set(xscale="log", ylim=(0, None), xlabel="steps T", ylabel="time / fused")
    axes.set_xticks(grid, [str(steps) for steps in grid])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return figure
