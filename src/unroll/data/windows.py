"""Windows of a series, each in the split that all its targets lie in."""

from dataclasses import dataclass

import numpy as np

from unroll.errors import InputError


@dataclass(frozen=True, slots=True)
class Stretch:
    """A series (time, features), of which the steps from `start` to before `end` are a split's own.

    `place` is where its first row stands.
    """

    name: str
    place: str
    values: np.ndarray
    start: int
    end: int

    def windows(self, first: int, count: int, stride: int, split: str) -> range:
        """The steps at which windows begin whose `count` targets, from the `first` step on, are the split's.

        Raises:
            InputError: there is none.
        """
        starts = range(max(0, self.start - first), self.end - first - count + 1, stride)
        if len(starts) == 0:
            needed = count if self.start >= first else first + count - self.start
            steps = self.end - self.start
            raise InputError(
                f"{self.place}: {series_name(self.name)} has {steps} steps in the {split} part, and a window "
                f"needs {needed} there; take a smaller data.window or data.horizon, or other fractions, "
                "or leave the series out"
            )
        return starts


def series_name(name: str) -> str:
    """What a message calls a series, whose name is empty where there is but one."""
    return f"series '{name}'" if name else "the series"
