"""Metrics against slow, obvious versions, over batches of different sizes; pooling; naive forecasts."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers import any_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.config.components import Pooling
from unroll.data.collate import Sample, collate
from unroll.models.naive import naive_forecast
from unroll.models.targets import build_target
from unroll.nn.pooling import pool
from unroll.spec import Alignment, Kind

SIZES = [5, 1, 12, 2]  # of the batches


def count(metrics, outputs, targets, lengths, sequence=None):
    """Count rows in batches of uneven sizes."""
    start = 0
    for size in SIZES:
        rows = slice(start, start + size)
        metrics.loss.update(0.0)
        metrics.update(
            outputs[rows],
            targets[rows],
            lengths[rows],
            None if sequence is None else sequence[rows],
        )
        start += size
    assert start == len(outputs)
    return {name: value.item() for name, value in metrics.compute().items()}


def test_classes():
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)
    n = sum(SIZES)
    outputs, targets = torch.randn(n, 4), torch.randint(0, 4, (n,))
    lengths = torch.randint(1, 4, (n,))
    metrics = build_target(spec).metrics()
    found = count(metrics, outputs, targets, lengths)
    best, true = outputs.argmax(1).tolist(), targets.tolist()
    assert found["accuracy"] == pytest.approx(np.mean([b == t for b, t in zip(best, true, strict=True)]))
    f1 = []
    for name in range(4):
        hits = sum(b == t == name for b, t in zip(best, true, strict=True))
        f1.append(2 * hits / (best.count(name) + true.count(name)))
    assert found["f1"] == pytest.approx(np.mean(f1))
    by_length = {
        length: np.mean([b == t for b, t, n in zip(best, true, lengths.tolist(), strict=True) if n == length])
        for length in set(lengths.tolist())
    }
    assert found["length_accuracy"] == pytest.approx(np.mean(list(by_length.values())))
    report = metrics.details()
    shares = {length: accuracy for length, (accuracy, _) in report["accuracy_by_length"].items()}
    assert shares == pytest.approx(by_length)
    assert sum(answers for _, answers in report["accuracy_by_length"].values()) == len(true)
    for row in range(4):
        for column in range(4):
            pairs = list(zip(true, best, strict=True))
            assert report["confusion"][row][column] == pairs.count((row, column))


def class_scores(outputs, targets):
    spec = any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE)
    return count(build_target(spec).metrics(), outputs, targets, torch.ones(len(outputs), dtype=torch.long))


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_occur():
    n = sum(SIZES)
    outputs, targets = torch.randn(n, 4), torch.randint(0, 3, (n,))  # the last class is only predicted
    best = outputs.argmax(1)
    assert (best == 3).any()
    recall = [(best[targets == name] == name).double().mean().item() for name in range(3)]
    assert class_scores(outputs, targets)["balanced_accuracy"] == pytest.approx(np.mean(recall))


def test_roc_auc_is_the_share_of_pairs_in_the_right_order():
    """One of a class has a larger probability of it than one of the rest; ties count half."""
    n = sum(SIZES)
    outputs, targets = torch.randint(-2, 3, (n, 4)).float(), torch.arange(n) % 4
    probabilities = outputs.softmax(1)
    areas = []
    for name in range(4):
        of, rest = probabilities[targets == name, name], probabilities[targets != name, name]
        order = [float(one > other) + float(one == other) / 2 for one in of for other in rest]
        areas.append(np.mean(order))
    assert class_scores(outputs, targets)["roc_auc"] == pytest.approx(np.mean(areas))


def test_roc_auc_is_not_defined_where_a_class_is_absent_or_too_much_would_be_kept(monkeypatch):
    n = sum(SIZES)
    assert np.isnan(class_scores(torch.randn(n, 4), torch.arange(n) % 3)["roc_auc"])
    monkeypatch.setattr("unroll.models.class_metrics.MOST_SCORES", 4 * n)
    assert not np.isnan(class_scores(torch.randn(n, 4), torch.arange(n) % 4)["roc_auc"])
    monkeypatch.setattr("unroll.models.class_metrics.MOST_SCORES", 4 * n - 1)
    assert np.isnan(class_scores(torch.randn(n, 4), torch.arange(n) % 4)["roc_auc"])


def test_tags_of_spans_have_the_scores_of_spans():
    spec = any_spec(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)
    spec = dataclasses.replace(spec, target_vocabulary=("B-x", "B-y", "I-x", "O"))
    true = torch.tensor([0, 2, 3, 0, 2] + [3] + [1] * 12 + [3] * 2)
    found = true.clone()
    found[2] = 2  # too long a span in the first sequence; those of single steps are right
    sequence = torch.tensor([0, 0, 0, 1, 1, 0, *range(12), 0, 1])
    metrics = build_target(spec).metrics()
    outputs = torch.nn.functional.one_hot(found, 4).float()
    values = count(metrics, outputs, true, torch.ones(sum(SIZES), dtype=torch.long), sequence=sequence)
    assert values["span_precision"] == values["span_recall"] == values["span_f1"] == pytest.approx(13 / 14)
    few = build_target(spec).metrics(full=False)
    few.loss.update(0.0)
    few.update(outputs, true, torch.ones(sum(SIZES), dtype=torch.long), sequence)
    assert few.compute().keys() == {"loss", "accuracy", "f1", "balanced_accuracy", "length_accuracy"}


@pytest.mark.parametrize("labels", [1, 4])
def test_labels(labels):
    spec = any_spec(Kind.CONTINUOUS, Kind.LABELS, Alignment.SEQUENCE)
    spec = dataclasses.replace(spec, target_size=labels)
    n = sum(SIZES)
    outputs, targets = torch.randn(n, labels), torch.randint(0, 2, (n, labels)).float()
    found = count(build_target(spec).metrics(), outputs, targets, torch.ones(n, dtype=torch.long))
    held, true = (outputs > 0).numpy(), (targets > 0).numpy()
    assert found["accuracy"] == pytest.approx((held == true).mean())
    assert found["exact_match"] == pytest.approx((held == true).all(axis=1).mean())
    f1 = 2 * (held & true).sum(0) / (held.sum(0) + true.sum(0))
    assert found["f1"] == pytest.approx(f1.mean())
    assert found["micro_f1"] == pytest.approx(2 * (held & true).sum() / (held.sum() + true.sum()))
    chance = 1 / (1 + np.exp(-outputs.double().numpy()))
    nll = -np.log(np.where(true, chance, 1 - chance)).sum(axis=1).mean()
    assert found["nll"] == pytest.approx(nll, rel=1e-5)


def test_values_are_measured_in_the_units_of_the_data():
    mean, std = (100.0, -3.0), (5.0, 0.1)
    spec = any_spec(
        Kind.CONTINUOUS,
        Kind.CONTINUOUS,
        Alignment.SEQUENCE,
        target_mean=mean,
        target_std=std,
        target_inputs=(0, 1),
        horizon=2,
    )
    n = sum(SIZES)
    scaled, targets = torch.randn(n, 4), torch.randn(n, 4) * 5 + 50
    target = build_target(spec)
    metrics = target.metrics()
    found = count(metrics, scaled, targets, torch.ones(n, dtype=torch.long))
    values = scaled.double().numpy() * np.tile(std, 2) + np.tile(mean, 2)
    np.testing.assert_allclose(target.predict(scaled).numpy(), values, rtol=1e-5)
    true = targets.double().numpy()
    error = np.abs(values - true)
    assert found["mae"] == pytest.approx(error.mean(), rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
    assert found["smape"] == pytest.approx((2 * error / (abs(values) + abs(true))).mean(), rel=1e-4)
    r2 = 1 - ((values - true) ** 2).sum(0) / ((true - true.mean(0)) ** 2).sum(0)
    assert found["r2"] == pytest.approx(r2.mean(), rel=1e-3)
    assert metrics.details()["r2_by_output"] == pytest.approx(dict(zip("1234", r2, strict=True)), rel=1e-3)
    unit = np.tile(std, 2)
    missed, spread = ((values - true) / unit) ** 2, ((true - true.mean(0)) / unit) ** 2
    assert found["r2_pooled"] == pytest.approx(1 - missed.sum() / spread.sum(), rel=1e-3)
    loss = (((true - np.tile(mean, 2)) / np.tile(std, 2) - scaled.double().numpy()) ** 2).mean()
    assert target.loss(scaled, targets).item() == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("season", [1, 2, 3, 9])
@pytest.mark.parametrize("alignment", Alignment)
def test_naive_forecast(season, alignment):
    """The value of one season before, step by step; the last one where there is no season yet."""
    horizon = 1 if alignment is Alignment.STEP else 4
    spec = any_spec(
        Kind.CONTINUOUS,
        Kind.CONTINUOUS,
        alignment,
        target_inputs=(2, 0),
        horizon=horizon,
        season=season,
    )
    samples = []
    for index, length in enumerate((3, 7)):
        steps = {Alignment.SEQUENCE: (), Alignment.STEP: (length,), Alignment.UNALIGNED: (horizon,)}
        size = 2 * horizon if alignment is Alignment.SEQUENCE else 2
        samples.append(Sample(index, torch.randn(length, 3), torch.randn(*steps[alignment], size)))
    found = naive_forecast(collate(samples, spec.signature), spec)
    for row, sample in enumerate(samples):
        known = sample.inputs[:, [2, 0]].tolist()
        if alignment is Alignment.STEP:
            expected = [known[t + 1 - season] if t + 1 >= season else known[t] for t in range(len(known))]
            assert found[row, : len(known)].tolist() == expected
            continue
        steps = list(known)
        for _ in range(horizon):
            steps.append(steps[-season] if len(known) >= season else known[-1])
        expected = steps[len(known) :]
        if alignment is Alignment.SEQUENCE:
            expected = [value for step in expected for value in step]
        assert found[row].tolist() == expected


def test_no_naive_forecast_of_what_is_no_forecast():
    spec = any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE)
    batch = collate([Sample(0, torch.randn(2, 3), torch.randn(4))], spec.signature)
    assert naive_forecast(batch, spec) is None


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), directions=st.integers(1, 2))
def test_pooling_sees_valid_steps_alone(lengths, directions):
    outputs = torch.randn(len(lengths), max(lengths) + 1, 4)
    for row, length in enumerate(lengths):
        outputs[row, length:] = 1e6
    pooled = {pooling: pool(outputs, torch.tensor(lengths), pooling, directions) for pooling in Pooling}
    for row, length in enumerate(lengths):
        steps = outputs[row, :length]
        last = steps[-1] if directions == 1 else torch.cat([steps[-1, :2], steps[0, 2:]])
        torch.testing.assert_close(pooled[Pooling.last][row], last)
        torch.testing.assert_close(pooled[Pooling.mean][row], steps.mean(dim=0))
        torch.testing.assert_close(pooled[Pooling.max][row], steps.max(dim=0).values)
