"""Scaling by window: what a model is when its outputs are zero, and what it does not see."""

import dataclasses

import pytest
import torch

from unroll.batch import SequenceBatch
from unroll.models.naive import naive_forecast
from unroll.nn.window_scaling import WindowScaling
from unroll.spec import Alignment, DataSpec, ForecastScaling, Kind, Signature

HORIZON, SEASON, WINDOW = 7, 4, 11
FROM_WINDOW = ["last", "window", "season"]


def spec(scaling: str, alignment: Alignment = Alignment.UNALIGNED) -> DataSpec:
    """Two of three features are forecast, the third and the first."""
    steps = HORIZON if alignment is Alignment.SEQUENCE else 1
    return DataSpec(
        signature=Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, alignment),
        input_size=3,
        target_size=2 * steps,
        input_mean=(1.0, 2.0, 3.0),
        input_std=(2.0, 1.0, 4.0),
        target_mean=(3.0, 1.0),
        target_std=(4.0, 2.0),
        target_inputs=(2, 0),
        horizon=1 if alignment is Alignment.STEP else HORIZON,
        season=SEASON,
        scaling=ForecastScaling(scaling),
        least_error=(0.5, 0.5),
        lowest=(-1.0, -2.0),
        highest=(2.0, 3.0),
    )


def batch(spec: DataSpec, *, lengths=(WINDOW, 9, 6), seed=0, level=0.0, size=1.0) -> SequenceBatch:
    torch.manual_seed(seed)
    inputs = torch.randn(len(lengths), WINDOW, 3) * size + level
    for row, length in enumerate(lengths):
        inputs[row, length:] = 1e30  # padding
    targets = torch.randn(len(lengths), HORIZON, 2)
    return SequenceBatch(
        index=torch.arange(len(lengths)), inputs=inputs, lengths=torch.tensor(lengths), targets=targets
    )


def test_an_output_of_zero_is_the_forecast_of_the_last_season():
    data = spec("season")
    windows = batch(data)
    origin = WindowScaling(data).frame(windows).origin
    naive = (naive_forecast(windows, data) - torch.tensor(data.target_mean)) / torch.tensor(data.target_std)
    torch.testing.assert_close(origin, naive)


@pytest.mark.parametrize("scaling", ["last", "window"])
def test_an_output_of_zero_is_the_last_value(scaling):
    data = dataclasses.replace(spec(scaling), season=1)
    windows = batch(data)
    origin = WindowScaling(data).frame(windows).origin
    naive = (naive_forecast(windows, data) - torch.tensor(data.target_mean)) / torch.tensor(data.target_std)
    torch.testing.assert_close(origin.expand_as(naive), naive)


@pytest.mark.parametrize("scaling", FROM_WINDOW)
def test_a_series_of_another_level_and_size_looks_the_same(scaling):
    data = dataclasses.replace(spec(scaling), least_error=(1e-6, 1e-6))
    scale = WindowScaling(data)
    windows, moved = batch(data), batch(data)
    size = 1.0 if scaling == "last" else 20.0
    moved.inputs[..., [2, 0]] = moved.inputs[..., [2, 0]] * size + 50
    standard = (each.inputs - torch.tensor(data.input_mean) for each in (windows, moved))
    first, second = (scale(x / torch.tensor(data.input_std), windows.lengths) for x in standard)
    for row, length in enumerate(windows.lengths.tolist()):
        found, wanted = first[row, :length], second[row, :length]
        if scaling in ("last", "window"):
            assert not torch.allclose(found[:, 3:], wanted[:, 3:])  # they tell of the level and the unit
            found[:, 3:] = wanted[:, 3:] = 0
        torch.testing.assert_close(found, wanted, atol=2e-3, rtol=1e-3)


def test_a_level_that_training_lacked_is_told_as_the_nearest_that_it_had():
    data = spec("window")
    scale, windows = WindowScaling(data), batch(data, lengths=(WINDOW,) * 3, level=7.0)
    found = scale(scale.scaling(windows.inputs), windows.lengths)[..., 3:5]
    highest = (torch.tensor(data.highest) - torch.tensor(data.target_mean)) / torch.tensor(data.target_std)
    torch.testing.assert_close(found, highest.expand_as(found))


@pytest.mark.parametrize("scaling", FROM_WINDOW)
def test_padding_and_other_windows_change_nothing(scaling):
    data = spec(scaling)
    scale = WindowScaling(data)
    windows = batch(data)
    together = scale(scale.scaling(windows.inputs), windows.lengths)
    frames = scale.frame(windows)
    assert together.shape[-1] == scale.output_size
    for row, length in enumerate(windows.lengths.tolist()):
        alone = SequenceBatch(
            index=torch.zeros(1, dtype=torch.long),
            inputs=windows.inputs[row : row + 1, :length],
            lengths=torch.tensor([length]),
        )
        found = scale(scale.scaling(alone.inputs), alone.lengths)
        torch.testing.assert_close(found[0], together[row, :length])
        one = scale.frame(alone)
        torch.testing.assert_close(one.origin[0], frames.origin[row])
        torch.testing.assert_close(one.unit[0], frames.unit[row])
        torch.testing.assert_close(one.known[0], frames.known[row, :length])


@pytest.mark.parametrize("scaling", FROM_WINDOW)
def test_a_constant_window_is_finite(scaling):
    data = spec(scaling)
    windows = batch(data, size=0.0, level=5.0, lengths=(WINDOW, WINDOW))
    windows.inputs.requires_grad_()
    scale = WindowScaling(data)
    found = scale(scale.scaling(windows.inputs), windows.lengths)
    origin, unit, known = scale.frame(windows)
    (found.sum() + origin.sum() + unit.sum() + known.sum()).backward()
    assert found.isfinite().all()
    assert (unit > 0).all()
    assert windows.inputs.grad.isfinite().all()


@pytest.mark.parametrize("scaling", FROM_WINDOW)
def test_of_targets_at_each_step_no_input_tells_of_a_later_one(scaling):
    data = spec(scaling, Alignment.STEP)
    windows = batch(data, lengths=(WINDOW, WINDOW, WINDOW))
    scale = WindowScaling(data)
    x = scale.scaling(windows.inputs)
    assert scale(x, windows.lengths) is x
    assert torch.equal(scale.frame(windows).origin, x[..., [2, 0]])
    assert (scale.frame(windows).unit == 1).all()
