"""Draws the pictures of a run's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

from unroll.inspect.attention import attention_figure
from unroll.inspect.heat_map import draw_states
from unroll.inspect.recording import Call
from unroll.models.base import Forecast
from unroll.nn.attention.base import AttentionMap
from unroll.runs.metrics import Curve

METRICS_BEYOND_ONE = ("valid/loss", "valid/perplexity")
"""These are not shares, and are left out of the panel of shares."""

MOST_CLASS_NAMES = 40
"""With more classes, the names would not be readable."""


def draw_curves(curves: dict[str, Curve], title: str, path: Path) -> None:
    """Losses, and beside them errors or shares, over the steps of training."""
    losses = ["train/loss", "valid/loss"]
    errors = ["valid/mae", "valid/naive_mae"]
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
    attention_figure(maps).savefig(path, dpi=120)


def draw_forecasts(forecasts: list[Forecast], path: Path) -> None:
    """Known, true, predicted and naive values, one panel for each sequence."""
    figure = Figure(figsize=(10, 2.2 * len(forecasts)), layout="constrained")
    panels = figure.subplots(len(forecasts), 1, squeeze=False)[:, 0]
    for axes, forecast in zip(panels, forecasts, strict=True):
        ahead = range(forecast.start, forecast.start + len(forecast.true))
        axes.plot(forecast.known, color="0.6", label="known")
        axes.plot(ahead, forecast.naive, color="tab:orange", ls=":", marker=".", label="naive")
        axes.plot(ahead, forecast.true, color="black", marker=".", label="true")
        axes.plot(ahead, forecast.predicted, color="tab:blue", ls="--", marker=".", label="predicted")
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    figure.supxlabel("step")
    figure.savefig(path, dpi=120)


def draw_hidden_states(calls: Sequence[Call], path: Path) -> None:
    """The outputs of each recurrence over the steps of one sequence, one panel for each recurrence."""
    figure = Figure(figsize=(8, 2.6 * len(calls)), layout="constrained")
    for axes, call in zip(figure.subplots(len(calls), 1, squeeze=False)[:, 0], calls, strict=True):
        draw_states(axes, torch.stack(call.outputs), f"{call.name}, outputs")
    figure.supxlabel("step")
    figure.supylabel("unit")
    figure.savefig(path, dpi=120)


def draw_confusion(matrix: list[list[int]], names: Sequence[str], path: Path) -> None:
    """The share of each true class (row) that was predicted as each class (column)."""
    shares = [[count / max(sum(row), 1) for count in row] for row in matrix]
    size = max(3.0, min(12.0, 0.4 * len(names) + 2))
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=mpl.colormaps["magma"], vmin=0, vmax=1)
    if len(names) <= MOST_CLASS_NAMES:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, label="share of the true class")
    figure.savefig(path, dpi=120)


def draw_accuracy_by_length(accuracies: Mapping[int, float], path: Path) -> None:
    """The accuracy over the length of the sequence."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(accuracies), list(accuracies.values()), marker="." if len(accuracies) < 60 else "")
    axes.set(xlabel="length", ylabel="accuracy", ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
