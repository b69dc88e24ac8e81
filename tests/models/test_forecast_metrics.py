"""Errors of forecasts against slow, obvious versions, over batches of different sizes and several series."""

import dataclasses

import numpy as np
import pytest
from file_data import data_in, series_table, write
from helpers import fitting_model, small_model

from unroll.models.forecast_metrics import ForecastErrors
from unroll.training.bare_trainer import bare_trainer, quiet

KINDS = ("series", "series_seq2seq", "series_one_ahead")
TASKS = {"series": "forecast", "series_seq2seq": "seq2seq", "series_one_ahead": "one_ahead"}
SEASON = 4
TARGETS = ["load", "wind"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Three series of different lengths and sizes; the second feature of the last one never changes."""
    parts = series_table(steps=90, ids=("a", "b", "c"))
    steps = parts.groupby("id").cumcount()
    parts = parts[(parts["id"] != "b") | (steps < 60)].copy()
    parts.loc[parts["id"] == "b", "load"] *= 100
    parts.loc[parts["id"] == "c", "wind"] = 1.0
    return write(tmp_path_factory.mktemp("series"), "series.csv", parts.to_csv(index=False)), parts


def after_test(file, kind, batch_size=7, **values):
    task = {"horizon": 1, "stride": 3} if kind == "series_one_ahead" else {"horizon": 6}
    given = {"window": 5, "season": SEASON, "id": "id", "target": TARGETS, **task, **values}
    data = data_in(file, "series", task=TASKS[kind], batch_size=batch_size, **given)
    model = small_model(fitting_model(kind), data.spec)
    with quiet():
        metrics = bare_trainer(accelerator="cpu").test(model, data, verbose=False)[0]
    return {name.removeprefix("test/"): value for name, value in metrics.items()}, model, data


def slow(model, data, parts):
    """For each series its windows; for each of them and each step ahead the errors of the three forecasts."""
    found = {}
    test = data.splits["test"]
    for index in range(len(test)):
        name = data.named_steps("test", index).name
        batch = data.collate([test[index]])
        known = batch.inputs[0].double().numpy()
        true = batch.targets[0].reshape(-1, 2).double().numpy()
        predicted = np.asarray(model.predict_step(batch)[0]).reshape(-1, 2)
        one_ahead = len(true) == len(known)
        for step in range(len(true)):
            last = step if one_ahead else len(known) - 1
            ahead = 0 if one_ahead else step
            naive = known[last]
            seasonal = last + 1 - SEASON + ahead % SEASON
            seasonal = known[seasonal] if last + 1 >= SEASON else known[last]
            errors = np.stack([predicted[step], naive, seasonal]) - true[step]
            found.setdefault(name, {}).setdefault(ahead, []).append(np.abs(errors))
    scales = {}
    for name, rows in parts.groupby("id"):
        values = rows[TARGETS].to_numpy()
        held = 2 * round(len(values) / 10)
        trained = values[: len(values) - held]
        scales[name] = np.abs(trained[SEASON:] - trained[:-SEASON]).mean(axis=0)
    return found, scales


@pytest.mark.parametrize("kind", KINDS)
def test_errors_by_step_and_series_and_mase(kind, table):
    file, parts = table
    metrics, model, data = after_test(file, kind)
    found, scales = slow(model, data, parts)
    everything = np.concatenate([np.stack(rows) for steps in found.values() for rows in steps.values()])
    assert metrics["mae"] == pytest.approx(everything[:, 0].mean(), rel=1e-4)
    assert metrics["naive_mae"] == pytest.approx(everything[:, 1].mean(), rel=1e-4)
    assert metrics["seasonal_naive_mae"] == pytest.approx(everything[:, 2].mean(), rel=1e-4)
    details = model.test_details()
    for step in range(len(details["error_by_step"]["mae"])):
        at = np.concatenate([np.stack(steps[step]) for steps in found.values()]).mean(axis=0)
        for kind_number, name in enumerate(("mae", "naive_mae", "seasonal_naive_mae")):
            assert details["error_by_step"][name][step] == pytest.approx(at[kind_number], rel=1e-4)
    names = data.series_names("test")
    mases = []
    for each in details["error_by_series"]:
        name = names[each["number"]]
        errors = np.concatenate([np.stack(rows) for rows in found[name].values()])
        windows = sum(
            data.named_steps("test", index).name == name for index in range(len(data.splits["test"]))
        )
        assert each["windows"] == windows
        assert each["naive_mae"] == pytest.approx(errors[:, 1].mean(), rel=1e-4)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = errors.mean(axis=0) / scales[name]
        mase = np.nanmean(np.where(scales[name] > 0, scaled, np.nan), axis=1)
        assert [each["mase"], each["naive_mase"], each["seasonal_naive_mase"]] == pytest.approx(
            mase, rel=1e-4
        )
        mases.append(mase)
    mean = np.mean(mases, axis=0)
    found = [metrics["mase"], metrics["naive_mase"], metrics["seasonal_naive_mase"]]
    assert found == pytest.approx(mean, rel=1e-4)


def test_one_series_has_one_scale_and_a_season_of_1_one_naive_forecast(tmp_path):
    file = write(tmp_path, "one.csv", series_table(ids=("a",)).to_csv(index=False))
    metrics, model, data = after_test(file, "series", id=None, season=1)
    assert "seasonal_naive_mae" not in metrics
    assert data.splits["test"][0].series is None
    pooled = np.array(model.test_details()["error_by_step"]["mae"]).mean(axis=0) / data.spec.naive_error
    assert metrics["mase"] == pytest.approx(pooled.mean(), rel=1e-5)


def test_a_series_that_training_lacks_has_the_scale_of_all(tmp_path):
    parts = {"train": ("a", "b"), "valid": ("a", "b"), "test": ("b", "new")}
    files = {}
    for seed, (split, ids) in enumerate(parts.items()):
        table = series_table(ids=ids, seed=seed)
        table.loc[table["id"] == "b", "load"] *= 10
        files[split] = str(write(tmp_path, f"{split}.csv", table.to_csv(index=False)))
    _, _, data = after_test(None, "series", **files)
    scales = {
        data.named_steps("test", index).name: data.splits["test"][index].naive_error
        for index in (0, -1 + len(data.splits["test"]))
    }
    assert scales["new"] == pytest.approx(data.spec.naive_error)
    assert scales["b"][0] > 1.5 * data.spec.naive_error[0]


def test_parts_of_an_epoch_add_up(table):
    """As several processes, and batches of other sizes, must."""
    _, model, data = after_test(table[0], "series_seq2seq")
    test = data.splits["test"]

    def counted(sizes):
        errors, at = ForecastErrors(data.spec), 0
        for size in sizes:
            batch = data.collate([test[index] for index in range(at, min(at + size, len(test)))])
            errors.update(batch, model.target.scaling.inverse(model(batch)))
            at += size
        return errors

    whole, parts = counted([len(test)]), counted([1, 2, len(test) - 3])
    for name, value in whole.compute().items():
        assert parts.compute()[name].item() == pytest.approx(value.item(), rel=1e-6)
    assert parts.details()["error_by_series"] == [
        pytest.approx(each, rel=1e-6, nan_ok=True) for each in whole.details()["error_by_series"]
    ]


def test_targets_that_are_no_forecast_have_none(table):
    _, model, data = after_test(table[0], "series")
    other = small_model("many_to_one", dataclasses.replace(data.spec, target_inputs=()))
    assert not other.forecast_errors
    assert model.forecast_errors.keys() == {"valid", "test"}
    assert not [name for name in model.state_dict() if "forecast" in name]
