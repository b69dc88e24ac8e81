"""Windows of series. A window belongs to the split that holds all its targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from unroll.data.collate import Sample
from unroll.data.files.spans import series_name
from unroll.data.readers.times import as_text
from unroll.data.samples import SamplesInParts, Steps
from unroll.errors import InputError


@dataclass(frozen=True, slots=True)
class Stretch:
    """A whole series, and the steps of a split in it: from `start` to before `end`.

    `inputs` are its values at each step as a model reads them, `place` is that of the first row, and `times`
    are those of all steps, if they are known. `naive_error` is the mean absolute change over a season in
    training, of each forecast feature.
    """

    name: str
    place: str
    inputs: Float[Tensor, "time features"]
    start: int
    end: int
    times: pd.Series | None = None
    naive_error: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form of a window: its inputs are `steps` steps, its targets the `count` steps from step `first` on.

    The targets are the first `targets` features of those steps, or all their values in one row if `flat`.
    Windows begin every `stride` steps. Each of the features `ahead` is followed by what it is 1, 2 … `later`
    steps later.
    """

    steps: int
    first: int
    count: int
    targets: int
    stride: int
    flat: bool
    ahead: range = range(0)
    later: int = 0

    def inputs(self, values: Float[Tensor, "time features"], start: int) -> Float[Tensor, "steps inputs"]:
        """The inputs of the window that begins at step `start` of a series."""
        own = values[start : start + self.steps]
        if not self.ahead:
            return own
        known = values[start : start + self.steps + self.later, self.ahead.start : self.ahead.stop]
        later = known.unfold(0, 1 + self.later, 1).flatten(1)
        return torch.cat([own[:, : self.ahead.start], later, own[:, self.ahead.stop :]], dim=1)

    def starts(self, stretch: Stretch, split: str) -> range:
        """The first steps of the windows whose targets all lie in the split.

        Raises:
            InputError: no window fits.
        """
        reach = self.first + self.count
        starts = range(max(0, stretch.start - self.first), stretch.end - reach + 1, self.stride)
        if len(starts) == 0:
            steps = stretch.end - stretch.start
            needed = self.count if stretch.start >= self.first else reach - stretch.start
            raise InputError(
                f"{stretch.place}: {series_name(stretch.name)} has {steps} steps in the {split} part, and a "
                f"window needs {needed} there; take a smaller data.window or data.horizon, or other "
                "fractions, or leave the series out"
            )
        return starts


class Windows(SamplesInParts):
    """The windows of all stretches of a split. They overlap, so each is made when it is asked for."""

    def __init__(self, form: Form, stretches: Sequence[Stretch], split: str) -> None:
        self.form = form
        self.stretches = stretches
        self.starts = [form.starts(stretch, split) for stretch in stretches]
        super().__init__(map(len, self.starts))
        self.names = list(dict.fromkeys(stretch.name for stretch in stretches))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def make(self, index: int, part: int, number: int) -> Sample:
        form, stretch, start = self.form, self.stretches[part], self.starts[part][number]
        values = stretch.inputs
        future = values[start + form.first : start + form.first + form.count, : form.targets]
        window, targets = form.inputs(values, start), future.flatten() if form.flat else future
        if len(self.names) == 1:
            return Sample(index, window, targets)
        return Sample(
            *(index, window, targets),
            series=self._numbers[stretch.name],
            naive_error=stretch.naive_error,
        )

    def steps(self, index: int) -> Steps | None:
        """The series of a window, and the times of its steps, those of its targets included."""
        stretch, start = self.place(index)
        if stretch.times is None:
            return Steps(stretch.name, []) if stretch.name else None
        return Steps(
            stretch.name, as_text(stretch.times.iloc[start : start + self.form.first + self.form.count])
        )

    def place(self, index: int) -> tuple[Stretch, int]:
        """The stretch and the first step of a window."""
        part, number = self.locate(index)
        return self.stretches[part], self.starts[part][number]
