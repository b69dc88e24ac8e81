"""Which naive forecast the outputs of a model are measured from."""

import numpy as np
import pytest

from unroll.data.files.anchors import choose_anchor
from unroll.spec import ForecastScaling

SEASON, HORIZON = 6, 9
STEPS = np.arange(300)
WAVE = np.sin(2 * np.pi * STEPS / SEASON)


def chosen(*series, season=SEASON, scaling="auto", planned=False):
    columns = [np.asarray(each, float).reshape(len(each), -1) for each in series]
    std = np.concatenate(columns).std(axis=0)
    return choose_anchor(columns, ForecastScaling(scaling), season, HORIZON, std, planned=planned)


def walk(seed=0):
    return np.random.default_rng(seed).normal(size=len(STEPS)).cumsum()


@pytest.mark.parametrize(
    ("series", "wanted"),
    [
        ((walk(),), "last"),
        ((walk(), 1000 * walk(1)), "window"),
        ((5 * WAVE + 0.1 * np.random.default_rng(0).normal(size=300),), "season"),
        ((5 * WAVE + 3 * walk(),), "last"),
    ],
)
def test_auto_is_the_better_forecast_of_the_training_part(series, wanted):
    assert chosen(*series).scaling is ForecastScaling(wanted)


def test_the_last_season_is_no_measure_where_it_followed_another_plan():
    seasonal = 5 * WAVE + 0.1 * np.random.default_rng(0).normal(size=300)
    assert chosen(seasonal).scaling is ForecastScaling.season
    assert chosen(seasonal, planned=True).scaling is ForecastScaling.window
    assert chosen(seasonal, scaling="season", planned=True).scaling is ForecastScaling.season


def test_a_series_counts_whatever_its_size():
    """One large series without a season does not outvote three small ones that have one."""
    seasonal = [WAVE + 0.01 * walk(seed) for seed in range(3)]
    assert chosen(*seasonal, 1e6 * walk(9)).scaling is not ForecastScaling.window


def test_without_a_season_it_is_the_last_value():
    assert chosen(5 * WAVE, season=None).scaling is ForecastScaling.last


def test_error_is_that_of_the_forecast_in_the_series_where_it_is_least():
    small, large = walk(), 1000 * walk(1)
    (error,) = chosen(small, large, season=None).error
    origins = np.arange(1, len(small) - HORIZON)
    errors = np.stack([small[origins + step] - small[origins] for step in range(1, HORIZON + 1)])
    assert error == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_errors_of_zero_do_not_count():
    assert chosen(np.ones(300), walk(), season=None).error == chosen(walk(), season=None).error
    constant = chosen(np.ones(300), 2 * np.ones(300), season=None)
    assert constant.error == (0.5,)  # the deviation of both together


def test_a_series_that_is_too_short_to_tell_is_no_error():
    anchor = chosen(np.arange(5.0))
    assert anchor.scaling is ForecastScaling.last
    assert anchor.error[0] > 0


def test_the_range_is_that_of_all_series():
    anchor = chosen(walk(), 7 + walk(1))
    both = np.concatenate([walk(), 7 + walk(1)])
    assert (anchor.lowest, anchor.highest) == ((both.min(),), (both.max(),))


def test_nothing_is_measured_from_the_window_if_it_is_not_asked_for():
    assert chosen(walk(), scaling="training").error == ()
