"""Forecasts: what an untrained model says, quantiles and their calibration, and what is written of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from file_data import data_in, series_table, write
from helpers import single, small_model
from recurrences import close

from unroll.data.prediction.predictions import predictions_table
from unroll.errors import InputError
from unroll.models.naive import naive_forecast
from unroll.models.pointwise import LINEAR_SHARE
from unroll.training.bare_trainer import bare_trainer, quiet

MODELS = {"many_to_one": "forecast", "seq2seq_continuous": "seq2seq", "many_to_many": "one_ahead"}
LEVELS = [0.1, 0.5, 0.9]
SEASON = 4
SCALINGS = ["last", "window", "season"]
CASES = [
    (model, "last" if task == "one_ahead" else each) for model, task in MODELS.items() for each in SCALINGS
]
every_case = pytest.mark.parametrize(("name", "scaling"), sorted(set(CASES)))


def data_of(folder, name, scaling, table=None, **values):
    """Hourly series of two sizes, far from zero, with a season of 4."""
    if table is None:
        table = series_table(steps=110)
        table.loc[table.id == "b", "load"] += 5e3
    given = {"window": 9, "horizon": 1 if name == "many_to_many" else 6, "season": SEASON, "features": "wind"}
    given |= {"target": "load", "id": "id", "time": "time", "task": MODELS[name], "scaling": scaling}
    return data_in(write(folder, "s.csv", table.to_csv(index=False)), "series", **given | values)


def model_of(data, name, **values):
    return small_model(name, data.spec, **{"quantiles": LEVELS, "linear": name != "many_to_many", **values})


def batch_of(data, split="test", number=8):
    samples = data.splits[split]
    return data.collate([samples[index] for index in range(min(number, len(samples)))])


@every_case
def test_a_model_whose_outputs_are_zero_is_the_naive_forecast(tmp_path, name, scaling):
    data = data_of(tmp_path, name, scaling)
    model, batch = model_of(data, name), batch_of(data)
    for parameter in model.output.parameters():
        torch.nn.init.zeros_(parameter)
    spec = data.spec if scaling == "season" else dataclasses.replace(data.spec, season=1)
    naive = model.target.scaling.absolute(naive_forecast(batch, spec)).numpy()
    for row, found in enumerate(model.predict_step(batch)):
        np.testing.assert_allclose(found[..., 1], naive[row][: len(found)], rtol=1e-5)


@every_case
@pytest.mark.parametrize("quantiles", [None, LEVELS])
def test_a_batch_gives_each_window_what_it_gets_alone(tmp_path, name, scaling, quantiles):
    data = data_of(tmp_path, name, scaling)
    batch = batch_of(data)
    model = model_of(data, name, quantiles=quantiles)
    losses = []
    for row, expected in enumerate(model(batch)):
        alone = single(batch, row)
        close(model(alone)[0], expected)
        losses.append(model.loss(alone))
    close(model.loss(batch), torch.stack(losses).mean())


@every_case
def test_a_test_is_given_no_target(tmp_path, name, scaling):
    data = data_of(tmp_path, name, scaling)
    model, batch = model_of(data, name), batch_of(data)
    blind = dataclasses.replace(batch, targets=None, target_lengths=None)
    for found, expected in zip(model.predict_step(blind), model.predict_step(batch), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_windows_of_all_sizes_weigh_the_same(tmp_path):
    """A shop that sells 5 and one that sells 5,000, of the same shape, have the same loss and gradient."""
    table = series_table(steps=110, ids=("small",))
    large = table.assign(id="large", load=table.load * 1000)
    data = data_of(tmp_path, "many_to_one", "season", pd.concat([table, large]), features=None)
    model, test = model_of(data, "many_to_one"), data.splits["test"]
    half = len(test) // 2
    first, second = (model.loss(data.collate([test[start + i] for i in range(half)])) for start in (0, half))
    assert first.item() == pytest.approx(second.item(), rel=0.02)


HORIZON = {"many_to_one": 2, "seq2seq_continuous": 2, "many_to_many": 1}
SHARES = {"valid_fraction": 0.4, "test_fraction": 0.4, "batch_size": 32, "stride": 3}


def fitted(data, name, epochs=1, **values):
    model = model_of(data, name, **values)
    with quiet():
        trainer = bare_trainer(max_epochs=epochs, accelerator="cpu")
        trainer.fit(model.train(), data)
    return trainer, model


def evaluated(trainer, model, data):
    with quiet():
        (found,) = trainer.test(model, data, verbose=False)
    model.eval()
    return found


def noise(steps):
    """A season of 4, and noise that a model cannot foretell."""
    random = np.random.default_rng(0)
    load = 10 * np.sin(np.arange(steps) * np.pi / 2) + random.standard_t(4, size=steps)
    times = pd.date_range("2024-01-01", periods=steps, freq="h")
    return pd.DataFrame({"id": "a", "time": times, "load": load, "wind": random.normal(size=steps)})


@pytest.mark.parametrize("name", MODELS)
def test_intervals_hold_what_they_say(tmp_path, name):
    scaling = "last" if name == "many_to_many" else "auto"
    data = data_of(tmp_path, name, scaling, noise(6000), horizon=HORIZON[name], **SHARES)
    trainer, model = fitted(data, name)
    test = evaluated(trainer, model, data)
    assert model.quantiles.offsets.abs().sum() > 0
    assert abs(test["test/coverage_80"] - 0.8) < 0.03
    before = model.quantiles.offsets.clone()
    model.quantiles.offsets.zero_()
    raw = evaluated(trainer, model, data)
    assert raw["test/mae"] == test["test/mae"]  # the forecast itself is not touched
    assert torch.equal(before[..., 1], torch.zeros_like(before[..., 1]))


def test_the_weighted_quantile_loss(tmp_path):
    data = data_of(tmp_path, "many_to_one", "window", series_table(steps=110))
    trainer, model = fitted(data, "many_to_one", quantiles=[0.05, 0.25, 0.5, 0.9])
    test = evaluated(trainer, model, data)
    batch = batch_of(data, number=10**6)
    found = np.stack(model.predict_step(batch))
    true = model.target.scaling.absolute(batch.targets).numpy()
    losses = []
    for column, level in enumerate([0.05, 0.25, 0.5, 0.9]):
        distance = true - found[..., column]
        losses.append(2 * np.where(distance > 0, level * distance, (level - 1) * distance).sum())
    assert test["test/wql"] == pytest.approx(np.mean(losses) / np.abs(true).sum(), rel=1e-4)
    assert not [
        name for name in test if "coverage" in name
    ]  # no two of these levels are as far from the ends


@pytest.mark.parametrize("name", MODELS)
def test_quantiles_stand_beside_the_forecast(tmp_path, name):
    data = data_of(tmp_path, name, "last", target=["load", "wind"], features=None)
    model = model_of(data, name, quantiles=[0.025, 0.5, 0.9])
    inputs = data.read_inputs(tmp_path / "s.csv", data.spec)
    predictions = model.predict_step(data.collate(inputs.samples))
    table = predictions_table(inputs, predictions, data.spec, model.quantiles.levels)
    values = ["load", "load_q2.5", "load_q90", "wind", "wind_q2.5", "wind_q90"]
    assert list(table.columns) == ["id", "time", *values]
    ahead = data.spec.horizon
    assert len(table) == 2 * ahead
    last = predictions[1].reshape(-1, 2, 3)[-1]
    assert table.iloc[-1][values].tolist() == last[:, [1, 0, 2]].flatten().tolist()
    assert (table["wind_q2.5"] <= table["wind"]).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_picture_has_the_band(tmp_path, name):
    data = data_of(tmp_path, name, "last")
    model, batch = model_of(data, name), batch_of(data)
    forecast = model.forecasts(batch)[2]
    low, high, share = forecast.band
    assert share == pytest.approx(0.8)
    steps = data.config.window if name == "many_to_many" else 6
    assert len(low) == len(forecast.predicted) == len(forecast.true) == steps
    assert all(a <= b <= c for a, b, c in zip(low, forecast.predicted, high, strict=True))


def test_what_is_no_list_of_quantiles_is_refused(tmp_path):
    data = data_of(tmp_path, "many_to_one", "window")
    for wrong in ([0.1, 0.9], [0.5, 0.1], [0.5, 1.0], [0.5, 0.5], 0.5, "some", [], [True]):
        with pytest.raises(InputError, match="quantiles=") as caught:
            model_of(data, "many_to_one", quantiles=wrong)
        assert "auto, null, or levels that increase and hold 0.5" in str(caught.value)
    assert model_of(data, "many_to_one", quantiles="auto").quantiles.levels == (0.1, 0.5, 0.9)
    old = data_of(tmp_path, "many_to_one", "training")
    assert model_of(old, "many_to_one", quantiles="auto").quantiles is None


def test_quantiles_of_classes_are_refused(tmp_path):
    from file_data import sequences_table

    path = write(tmp_path, "c.csv", sequences_table().to_csv(index=False))
    data = data_in(path, "sequences", task="label", target="label", features=["x"])
    with pytest.raises(InputError, match=r"model.quantiles=\[0.1, 0.5\]: the targets are classes"):
        small_model("many_to_one", data.spec, quantiles=[0.1, 0.5])


@pytest.mark.parametrize("name", ["many_to_one", "seq2seq_continuous"])
@pytest.mark.parametrize("quantiles", [None, LEVELS])
def test_the_linear_part_maps_the_window_to_the_steps_ahead(tmp_path, name, quantiles):
    """With nothing from the network, it is the forecast that NLinear makes."""
    data = data_of(tmp_path, name, "last")
    model, batch = model_of(data, name, linear=True, quantiles=quantiles), batch_of(data)
    for parameter in model.output.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.normal_(model.linear.weight)
    known = batch.inputs[..., :1].double()
    change = LINEAR_SHARE * (known - known[:, -1:]).transpose(1, 2) @ model.linear.weight.double().T
    wanted = known[:, -1:] + change.transpose(1, 2)
    wanted = model.target.scaling.absolute(wanted.reshape(batch.targets.shape)).detach().numpy()
    for row, found in enumerate(model.predict_step(batch)):
        middle = found if quantiles is None else found[..., 1]
        np.testing.assert_allclose(middle, wanted[row], rtol=1e-4, atol=0.02)


def test_a_linear_part_is_learned(tmp_path):
    data = data_of(tmp_path, "many_to_one", "season")
    model = model_of(data, "many_to_one", linear=True)
    assert not model.linear.weight.any()
    model.loss(batch_of(data)).backward()
    assert model.linear.weight.grad.any()
    assert model_of(data_of(tmp_path, "many_to_one", "training"), "many_to_one", linear=True).linear is None
