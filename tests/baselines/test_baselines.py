"""A baseline is what its name says, and a verdict says whether a model beats it."""

import math

import numpy as np
import pytest
import torch
from file_data import data_in, preset, write
from helpers import fitting_model, small_model

from unroll.baselines.errors import Compared, compare
from unroll.baselines.pointwise import fit_pointwise
from unroll.baselines.verdict import judge, warning
from unroll.models.measure import Form, Measure
from unroll.training.bare_trainer import bare_trainer, quiet

ACCURACY, ERROR = Measure("accuracy", Form.RIGHT), Measure("mae", Form.MEAN)


def after_test(folder, name):
    data = preset(folder, name)
    model = small_model(fitting_model(name), data.spec)
    with quiet():
        metrics = bare_trainer(accelerator="cpu").test(model, data, verbose=False)[0]
    return model, data, metrics


@pytest.mark.parametrize(
    ("name", "baseline"),
    {
        "sequences": "majority class",
        "sequences_value": "mean",
        "sequences_labels": "frequency of each label",
        "sequences_steps": "majority class",
        "sequences_next": "naive forecast",
        "sequences_next_labels": "frequency of each label",
        "series": "naive forecast",
        "series_one_ahead": "naive forecast",
        "series_seq2seq": "naive forecast",
        "token_tags": "most frequent tag of each word",
        "token_labels": "majority class",
        "context_tokens": "most frequent target",
        "copy": "copy of the source",
    }.items(),
)
def test_each_kind_of_data_has_its_baseline(name, baseline, tmp_path, request):
    if name == "copy":
        request.getfixturevalue("monkeypatch").setattr("file_data.shipped", small_copy)
    model, data, metrics = after_test(tmp_path, name)
    compared = compare(model, data)
    verdict = judge(compared)
    assert compared.baseline == baseline
    assert verdict.value == pytest.approx(metrics[f"test/{model.measure.name}"], rel=1e-4, abs=1e-6)
    if "test/naive_mae" in metrics:
        assert verdict.baseline_value == pytest.approx(metrics["test/naive_mae"], rel=1e-4)
    if name == "copy":
        assert verdict.baseline_value == 0


def small_copy(name):
    from helpers import shipped

    return {**shipped(name), "train_size": 20, "valid_size": 5, "test_size": 9}


def test_constant_and_by_word_are_counted_on_the_training_part(tmp_path):
    data = preset(tmp_path, "sequences")
    spec, train = data.spec, data.splits["train"].samples
    model = small_model("many_to_one", spec)
    batch = data.collate([data.splits["test"][0]])
    counts = [sum(int(each.targets) == kind for each in train) for kind in range(spec.target_size)]
    assert fit_pointwise(spec, train)[0].outputs(batch, model).tolist() == [counts]

    data = preset(tmp_path, "token_tags")
    spec, train = data.spec, data.splits["train"].samples
    model = small_model("many_to_many", spec)
    batch = data.collate(train[:1])
    found = fit_pointwise(spec, train)[0].outputs(batch, model).argmax(dim=-1)
    assert torch.equal(found, batch.targets)  # a word always has the same tag here
    batch.inputs[:] = 3
    total = torch.cat([each.targets for each in train]).bincount()
    assert fit_pointwise(spec, train)[0].outputs(batch, model)[0, 0].tolist() == total.tolist()


def judged(model, baseline, measure=ACCURACY, items=None, overlap=1):
    items = np.ones(len(model)) if items is None else items
    return judge(Compared("majority class", measure, np.array(model), np.array(baseline), items, overlap))


def test_an_accuracy_has_the_interval_of_wilson():
    verdict = judged([0.0] * 18 + [1.0] * 6, [1.0] * 16 + [0.0] * 8)
    n, p, z = 24, 0.75, 1.959963984540054
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)]
    assert verdict.interval == pytest.approx(expected)
    assert str(verdict) == (
        "Better than the majority class: accuracy 0.75 against 0.3333, beyond chance "
        "(95% interval: 0.551 to 0.88, 24 test sequences)."
    )


def test_worse_is_said_first_and_chance_is_told():
    assert str(judged([1.0] * 40, [0.0] * 40)).startswith(
        "WORSE than the majority class: accuracy 0 against 1"
    )
    assert "within chance" in str(judged([1.0, 0, 0, 0], [1.0, 1, 0, 0]))
    assert str(judged([1.0, 0], [0.0, 1])).startswith("No better than the majority class")
    assert "1 test sequence: too few to tell" in str(judged([1.0], [2.0], ERROR))


def test_a_difference_is_that_of_pairs_and_blocks():
    """Sequences differ much more from one another than the model from its baseline."""
    random = np.random.default_rng(0)
    hard = random.exponential(10, 200)
    verdict = judged(hard, hard + random.normal(0.1, 0.2, 200), ERROR)
    low, high = verdict.interval
    assert low < -0.1 < high < 0
    assert verdict.beyond_chance
    assert verdict.gain > 0
    again = np.repeat(np.column_stack([hard, hard + random.normal(0.1, 0.2, 200)]), 5, axis=0)
    single, block = (judged(*again.T, ERROR, overlap=overlap).interval for overlap in (1, 5))
    assert block[1] - block[0] > 1.8 * (single[1] - single[0])  # about the root of 5


def saw(folder, period, season):
    """A series that repeats itself after `period` steps, and drifts slowly; a model that has not learned."""
    steps = np.arange(200)
    values = steps % period + 0.001 * steps
    file = write(folder, "saw.csv", "\n".join(["x", *(f"{value:.4f}" for value in values)]))
    data = data_in(file, "series", target="x", window=12, horizon=4, season=season)
    model = small_model("many_to_one", data.spec)
    with quiet():
        metrics = bare_trainer(accelerator="cpu").test(model, data, verbose=False)[0]
    return judge(compare(model, data)), metrics


@pytest.mark.parametrize(
    ("season", "named"), [(5, "seasonal naive forecast (5 steps back)"), (3, "naive forecast")]
)
def test_a_forecast_is_compared_with_the_naive_one_that_is_better(season, named, tmp_path):
    verdict, metrics = saw(tmp_path, 5, season)
    values = {"naive forecast": metrics["test/naive_mae"]}
    values[f"seasonal naive forecast ({season} steps back)"] = metrics["test/seasonal_naive_mae"]
    assert verdict.baseline == named
    assert verdict.baseline_value == pytest.approx(values.pop(named), rel=1e-4)
    assert verdict.others == pytest.approx(values, rel=1e-4)
    (other,) = verdict.others
    assert f"; the {other}: " in str(verdict)
    assert verdict.to_dict()["others"] == verdict.others


def test_a_season_of_1_has_one_naive_forecast(tmp_path):
    verdict, metrics = saw(tmp_path, 5, 1)
    assert verdict.baseline == "naive forecast"
    assert not verdict.others
    assert "test/seasonal_naive_mae" not in metrics


def test_a_forecast_that_is_worse_on_the_validation_part_is_warned_of():
    worse = warning({"valid/mae": 2.0, "valid/naive_mae": 3.0, "valid/seasonal_naive_mae": 1.0})
    assert worse.startswith(
        "On the validation part it is WORSE than the seasonal naive forecast: mae 2 against 1"
    )
    assert warning({"valid/mae": 2.0, "valid/naive_mae": 1.5}).count("the naive forecast: mae 2 against 1.5")
    assert not warning({"valid/mae": 0.9, "valid/naive_mae": 3.0, "valid/seasonal_naive_mae": 1.0})
    assert not warning({"valid/mae": 2.0})
    assert not warning({"valid/mae": None, "valid/naive_mae": 1.0})
