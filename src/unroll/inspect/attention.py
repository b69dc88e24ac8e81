"""What a decoder attends to: as a table, as data, as a picture."""

from collections.abc import Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from unroll.nn.attention.base import AttentionMap
from unroll.terminal import for_terminal

MOST_ATTENDED_TOKENS, SMALLEST_WEIGHT = 3, 0.01
"""For each output the table names at most this many input tokens, each with at least this weight."""


def attention_frame(attention: AttentionMap) -> pd.DataFrame:
    """The weights: a row for each output token, a column for each input token."""
    frame = pd.DataFrame(attention.weights, index=attention.outputs, columns=attention.inputs)
    return frame.rename_axis(index="output", columns="input")


def attention_table(attention: AttentionMap, steps: int | None = None) -> Table:
    """For the terminal: the input tokens that each of the (first) output tokens attends to most."""
    shown = attention.outputs[:steps]
    all_steps = len(attention.outputs)
    total = "" if len(shown) == all_steps else f", first {len(shown)} of {all_steps} steps"
    table = Table("t", "writes", "attends to", title=f"attention{total}", title_justify="left")
    for t, (output, weights) in enumerate(zip(shown, attention.weights, strict=False), start=1):
        order = sorted(range(len(weights)), key=lambda source: -weights[source])[:MOST_ATTENDED_TOKENS]
        seen = [source for source in order if weights[source] >= SMALLEST_WEIGHT]
        most = ", ".join(f"{weights[i]:.2f} {attention.inputs[i]} (t={i + 1})" for i in seen)
        table.add_row(str(t), *(escape(for_terminal(text)) for text in (output, most)))
    return table


def attention_figure(maps: Sequence[AttentionMap], title: str = "Attention") -> Figure:
    """The attention of each output (row) to each input (column), one panel per sequence."""
    width = max(4.2, *(0.25 * len(attention.inputs) for attention in maps))
    height = max(4.2, *(0.25 * len(attention.outputs) for attention in maps))
    figure = Figure(figsize=(width * len(maps), height), layout="constrained")
    for axes, attention in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        upright = max(map(len, attention.inputs)) > 2
        image = axes.imshow(attention.weights, cmap=mpl.colormaps["magma"], vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(
            range(len(attention.inputs)), attention.inputs, rotation=90 * upright, parse_math=False
        )
        axes.set_yticks(range(len(attention.outputs)), attention.outputs, parse_math=False)
        axes.xaxis.tick_top()
    figure.colorbar(image, ax=axes, label="weight")
    figure.suptitle(title, fontsize=11)
    figure.supxlabel("input")
    figure.supylabel("output")
    return figure
