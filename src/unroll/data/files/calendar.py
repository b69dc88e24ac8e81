"""The place of a time in the day, the week and the year, as sines and cosines."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unroll.data.readers.steps import DAY, SHORTEST_MONTH, Step

YEAR = pd.Timedelta(days=365.25)
LEAST_CYCLES = 2
"""How often training has to pass through a cycle. In a single pass each place in it comes once, as each
moment does: a model would learn the moments by heart, and take a trend for a cycle."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle that comes back every `length`.

    `place` tells where a time is in it, from 0 to before 1. It says something of steps that last `above` or
    longer, and less than `below`.
    """

    length: pd.Timedelta
    place: Callable[[pd.DatetimeIndex], np.ndarray]
    above: pd.Timedelta
    below: pd.Timedelta


CYCLES = {
    "hour": Cycle(
        DAY, lambda times: np.asarray((times - times.normalize()) / DAY), above=pd.Timedelta(0), below=DAY
    ),
    "weekday": Cycle(
        7 * DAY, lambda times: np.asarray(times.day_of_week) / 7, above=pd.Timedelta(0), below=7 * DAY
    ),
    "day of year": Cycle(
        YEAR,
        lambda times: (np.asarray(times.day_of_year) - 1) / 366,
        above=pd.Timedelta(0),
        below=SHORTEST_MONTH,
    ),
    "month": Cycle(
        YEAR,
        lambda times: (np.asarray(times.month) - 1) / 12,
        above=SHORTEST_MONTH,
        below=1.5 * SHORTEST_MONTH,
    ),
}
"""The cycles by the names of their columns."""


def cycles_of(step: Step, lasts: pd.Timedelta) -> tuple[list[str], list[str]]:
    """The cycles to read of times of a step, and those that training is too short for, if it `lasts` so."""
    about = step.about
    fitting = [
        name for name, cycle in CYCLES.items() if about is not None and cycle.above <= about < cycle.below
    ]
    short = [name for name in fitting if lasts < LEAST_CYCLES * CYCLES[name].length]
    return [name for name in fitting if name not in short], short


def column_names(cycles: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The columns of cycles."""
    return tuple(f"{name} {wave}" for name in cycles for wave in ("sin", "cos"))


def columns(cycles: tuple[str, ...], times: pd.Series) -> np.ndarray:
    """The sine and the cosine of each cycle at each time (times, 2 · cycles)."""
    index = pd.DatetimeIndex(times)
    waves = [np.zeros((len(index), 0))]
    for name in cycles:
        angle = 2 * np.pi * CYCLES[name].place(index)
        waves.append(np.stack([np.sin(angle), np.cos(angle)], axis=1))
    return np.concatenate(waves, axis=1)
