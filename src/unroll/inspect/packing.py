"""How `pack_padded_sequence` lays out sequences of different lengths, and how much padding that saves.

Steps count from 1, sequences from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from unroll.errors import InputError

LONGEST_SEQUENCE = 10_000
"""A longer sequence is a slip."""

MOST_STEPS_SHOWN = 20
"""The terminal shows no more steps than this, and a picture with more leaves out the numbers."""


@dataclass(frozen=True, slots=True)
class Packing:
    """The padded grid of a batch and its packed form. `order` lists the sequences, longest first."""

    lengths: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def alive(self) -> list[list[int]]:
        """For each step, the sequences that reach it, the longest one first."""
        return [[i for i in self.order if self.lengths[i] >= step] for step in self.steps]

    @property
    def batch_sizes(self) -> list[int]:
        """For each step, how many sequences reach it: the batch size of the recurrence at that step."""
        return [len(alive) for alive in self.alive]

    @property
    def data(self) -> list[tuple[int, int]]:
        """Sequence and step of each row of the packed data: all first steps, then all second steps …"""
        return [(i, step) for step, alive in zip(self.steps, self.alive, strict=True) for i in alive]

    @property
    def padding_share(self) -> float:
        """The part of the padded grid that is padding, in [0, 1)."""
        return 1 - sum(self.lengths) / (len(self.lengths) * max(self.lengths))

    @property
    def steps(self) -> range:
        """1 … T."""
        return range(1, max(self.lengths) + 1)

    def frame(self, *, packed: bool = False) -> pd.DataFrame:
        """The padded grid, a row per sequence, as given or in packed order. Valid steps are True."""
        rows = {i: [step <= self.lengths[i] for step in self.steps] for i in self._rows(packed)}
        grid = pd.DataFrame.from_dict(rows, orient="index", columns=list(self.steps))
        return grid.rename_axis(index="sequence", columns="step")

    def tables(self) -> list[Table]:
        """For the terminal: the padded grid, and the packed one with its batch sizes."""
        padded = self._grid("padded", packed=False)
        padded.caption = (
            f"{sum(self.lengths)} valid steps of {len(self.lengths) * max(self.lengths)}: "
            f"{self.padding_share:.1%} padding"
        )
        packed = self._grid("packed: longest first, column by column", packed=True)
        packed.add_row("batch_sizes", "", *map(str, self.batch_sizes[:MOST_STEPS_SHOWN]))
        return [padded, packed]

    def figure(self) -> Figure:
        """The padded grid beside the packed one, which has its batch sizes below."""
        width = min(12.0, 0.25 * max(self.lengths) + 1.5)
        height = min(10.0, 0.25 * len(self.lengths) + 1.5)
        figure = Figure(figsize=(2 * width, height), layout="constrained")
        padded, packed = figure.subplots(1, 2)
        self._draw(padded, packed=False)
        padded.set_title(f"padded: {self.padding_share:.1%} padding", fontsize=10)
        padded.set_xlabel("step")
        self._draw(packed, packed=True)
        packed.set_title("packed: longest first", fontsize=10)
        packed.set_xlabel("batch_sizes")
        if len(self.steps) <= MOST_STEPS_SHOWN:
            packed.set_xticks(self.steps, [str(size) for size in self.batch_sizes])
        return figure

    def _rows(self, packed: bool) -> Sequence[int]:
        return self.order if packed else range(len(self.lengths))

    def _grid(self, title: str, *, packed: bool) -> Table:
        table = Table(title=title, box=None, title_justify="left", caption_justify="left")
        for heading in ("sequence", "length", *map(str, self.steps[:MOST_STEPS_SHOWN])):
            table.add_column(heading, justify="right")
        if len(self.steps) > MOST_STEPS_SHOWN:
            table.add_column("…")
        for i, valid in zip(self._rows(packed), self.frame(packed=packed).to_numpy(), strict=True):
            table.add_row(
                str(i), str(self.lengths[i]), *("■" if step else "·" for step in valid[:MOST_STEPS_SHOWN])
            )
        return table

    def _draw(self, axes: Axes, *, packed: bool) -> None:
        """Draw each sequence in its own colour, and padding in white."""
        rows = self._rows(packed)
        valid = self.frame(packed=packed)
        colours = valid.mul([i % 10 for i in rows], axis=0).where(valid).astype(float)
        axes.imshow(
            colours,
            cmap=mpl.colormaps["tab10"],
            vmin=-0.5,
            vmax=9.5,
            aspect="auto",
            extent=(0.5, len(self.steps) + 0.5, len(rows) - 0.5, -0.5),
        )
        if len(self.steps) <= MOST_STEPS_SHOWN:
            axes.set_xticks(self.steps)
        axes.set_ylabel("sequence")
        if len(rows) <= MOST_STEPS_SHOWN:
            axes.set_yticks(range(len(rows)), [str(i) for i in rows])


def packing(lengths: Sequence[int]) -> Packing:
    """How sequences of these lengths are padded and packed. Sequences of equal length keep their order.

    Raises:
        InputError: no lengths, or one below 1 or beyond `LONGEST_SEQUENCE`.
    """
    if not lengths:
        raise InputError("lengths: give one or more, as in 5 3 7 2")
    for length in lengths:
        if not 1 <= length <= LONGEST_SEQUENCE:
            raise InputError(
                f"length {length}: must be in [1, {LONGEST_SEQUENCE:,}]; torch packs no empty sequence"
            )
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return Packing(tuple(lengths), tuple(order))
