"""The pictures in a run's folder."""

import csv
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from unroll.models.base import AttentionMap

Curve = tuple[list[int], list[float]]


def read_curves(metrics_file: Path) -> dict[str, Curve]:
    """Steps and values of every metric in a metrics.csv."""
    curves: dict[str, Curve] = {}
    with metrics_file.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    steps, values = curves.setdefault(name, ([], []))
                    steps.append(int(row["step"]))
                    values.append(float(value))
    return curves


def draw_curves(curves: dict[str, Curve], title: str, path: Path) -> None:
    """Losses beside error rates over the steps of training."""
    panels = {
        "loss": {name: curve for name, curve in curves.items() if name in ("train/loss", "valid/loss")},
        "share": {
            name: curve
            for name, curve in curves.items()
            if name.startswith("valid/") and name not in ("valid/loss", "valid/perplexity")
        },
    }
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (label, panel) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for name, (steps, values) in panel.items():
            axes.plot(steps, values, marker="." if len(steps) < 40 else "", label=name)
        axes.set(xlabel="step", ylabel=label)
        axes.grid(alpha=0.3)
        if panel:
            axes.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=120)


def draw_attention(maps: list[AttentionMap], path: Path) -> None:
    """Attention of each output (rows) over the inputs (columns), one panel a sequence."""
    figure = Figure(figsize=(4.2 * len(maps), 4.2), layout="constrained")
    for axes, attention in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        axes.imshow(attention.weights, cmap=mpl.colormaps["magma"], vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(attention.inputs)), attention.inputs)
        axes.set_yticks(range(len(attention.outputs)), attention.outputs)
        axes.xaxis.tick_top()
    figure.supylabel("output")
    figure.savefig(path, dpi=120)
