"""Draws the pictures of a run's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

from unroll.inspect.attention import attention_figure
from unroll.inspect.heat_map import draw_units, similar_units, with_order
from unroll.inspect.recording import Call
from unroll.nn.attention.base import AttentionMap
from unroll.runs.metrics import Curve

METRICS_BEYOND_ONE = ("valid/loss", "valid/perplexity")
"""These are not shares, and are left out of the panel of shares."""

MOST_CLASS_NAMES = 40
"""With more classes, the names would not be readable."""

MOST_COUNTED_CLASSES = 20
"""With more classes, there would be no room for the numbers."""


def draw_curves(curves: dict[str, Curve], title: str, path: Path) -> None:
    """Losses, and beside them errors or shares, over the steps of training."""
    losses = ["train/loss", "valid/loss"]
    errors = ["valid/mae", "valid/naive_mae", "valid/seasonal_naive_mae"]
    shares = [name for name in curves if name.startswith("valid/") and name not in METRICS_BEYOND_ONE]
    panels = {"loss": losses, **({"error": errors} if "valid/mae" in curves else {"share": shares})}
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (label, panel) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for name in (name for name in panel if name in curves):
            curve = curves[name]
            axes.plot(curve.steps, curve.values, marker="." if len(curve.steps) < 40 else "", label=name)
        axes.set(xlabel="step", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=120)


def draw_attention(maps: list[AttentionMap], path: Path) -> None:
    """The attention of each output (row) to each input (column), one panel for each sequence."""
    attention_figure(maps, "Attention in test sequences").savefig(path, dpi=120)


def draw_hidden_states(
    calls: Sequence[Call], names: Mapping[str, Sequence[str]], title: str, path: Path
) -> None:
    """The outputs of each recurrence over the steps of one sequence, one panel for each recurrence.

    Of many units, those that behave alike stand together. `names` may name the steps of a recurrence.
    """
    figure = Figure(figsize=(9, 2.8 * len(calls) + 0.4), layout="constrained")
    for axes, call in zip(figure.subplots(len(calls), 1, squeeze=False)[:, 0], calls, strict=True):
        outputs = torch.stack(call.outputs)
        shown = list(names.get(call.name, ()))[: len(outputs)]
        draw_units(axes, outputs, similar_units(outputs), call.name, shown)
    most_units = max(call.outputs[0].shape[-1] for call in calls)
    figure.suptitle(with_order(title, most_units), x=0.01, ha="left", fontsize=11)
    figure.supxlabel("step")
    figure.supylabel("unit")
    figure.savefig(path, dpi=120)


def draw_confusion(matrix: list[list[int]], names: Sequence[str], path: Path) -> None:
    """The share of each true class (row) that was predicted as each class (column), and the numbers."""
    shares = [[count / max(sum(row), 1) for count in row] for row in matrix]
    size = max(3.0, min(12.0, 0.5 * len(names) + 2))
    figure = Figure(figsize=(size + 1, size + 0.3), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=mpl.colormaps["magma"], vmin=0, vmax=1)
    if len(names) <= MOST_CLASS_NAMES:
        axes.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    if len(names) <= MOST_COUNTED_CLASSES:
        for row, counts in enumerate(matrix):
            for column, count in enumerate(counts):
                colour = "black" if shares[row][column] > 0.6 else "white"
                axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title("Classes of the test sequences", fontsize=11)
    figure.colorbar(image, label="share of the true class")
    figure.savefig(path, dpi=120)


def draw_accuracy_by_length(accuracies: Mapping[int, tuple[float, int]], path: Path) -> None:
    """The accuracy over the length of the sequence, and below it on how many rows it rests."""
    lengths = list(accuracies)
    shares, counts = zip(*accuracies.values(), strict=True)
    figure = Figure(figsize=(8, 4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot(lengths, shares, marker="." if len(lengths) < 60 else "")
    upper.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    lower.bar(lengths, counts, width=1.0, color="0.7")
    lower.set(xlabel="length", ylabel="answers")
    lower.xaxis.get_major_locator().set_params(integer=True)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    figure.suptitle("Accuracy at each length of the test sequences", fontsize=11)
    figure.savefig(path, dpi=120)
