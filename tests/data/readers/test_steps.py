"""The step of a column of times, found also where rows are missing."""

import numpy as np
import pandas as pd
import pytest

from unroll.data.readers.steps import find_step

CASES = {
    "h": ("hourly", 24),
    "15min": ("every 15 minutes", 96),
    "D": ("daily", 7),
    "B": ("business days", 5),
    "W": ("weekly", 52),
    "MS": ("monthly by month starts", 12),
    "ME": ("monthly by month ends", 12),
    "QE": ("quarterly by month ends", 4),
    "YS": ("yearly by month starts", 1),
}


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("frequency", CASES)
def test_the_step_of_dates(frequency, share):
    times = pd.Series(pd.date_range("2019-01-01", periods=150, freq=frequency))
    kept = np.random.default_rng(0).random(150) >= share
    kept[[0, -1]] = True
    rest = times[kept].reset_index(drop=True)
    step = find_step(rest, [np.arange(len(rest))])
    assert (step.name, step.season) == CASES[frequency]
    (taken,) = step.taken(rest, [np.arange(len(rest))])
    assert taken.sum() == 149
    assert (taken > 1).sum() == (np.diff(np.flatnonzero(kept)) > 1).sum()


@pytest.mark.parametrize(
    ("numbers", "name"), [(range(50), "numbers by 1"), (range(5, 500, 10), "numbers by 10")]
)
def test_the_step_of_numbers(numbers, name):
    times = pd.Series(list(numbers)).drop(index=[7, 20]).reset_index(drop=True)
    assert find_step(times, [np.arange(len(times))]).name == name


def test_times_without_a_step_have_none():
    random = np.random.default_rng(0)
    times = pd.Series(
        pd.Timestamp("2024-01-01") + pd.to_timedelta(random.exponential(1e5, 60).cumsum(), unit="s")
    )
    assert find_step(times, [np.arange(60)]) is None
