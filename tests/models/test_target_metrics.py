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


def count(metrics, outputs, targets, lengths, naive=None):
    """Count rows in batches of uneven sizes."""
    start = 0
    for size in SIZES:
        rows = slice(start, start + size)
        metrics.loss.update(0.0)
        metrics.update(outputs[rows], targets[rows], lengths[rows], None if naive is None else naive[rows])
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


def test_values_are_measured_in_the_units_of_the_data():
    mean, std, naive_error = (100.0, -3.0), (5.0, 0.1), (2.0, 0.5)
    spec = any_spec(
        Kind.CONTINUOUS,
        Kind.CONTINUOUS,
        Alignment.SEQUENCE,
        target_mean=mean,
        target_std=std,
        naive_error=naive_error,
        target_inputs=(0, 1),
        horizon=2,
    )
    n = sum(SIZES)
    scaled, targets, naive = torch.randn(n, 4), torch.randn(n, 4) * 5 + 50, torch.randn(n, 4) * 5 + 50
    target = build_target(spec)
    found = count(target.metrics(), scaled, targets, torch.ones(n, dtype=torch.long), naive)
    values = scaled.double().numpy() * np.tile(std, 2) + np.tile(mean, 2)
    np.testing.assert_allclose(target.predict(scaled).numpy(), values, rtol=1e-5)
    true, plain = targets.double().numpy(), naive.double().numpy()
    error = np.abs(values - true)
    assert found["mae"] == pytest.approx(error.mean(), rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
    assert found["smape"] == pytest.approx((2 * error / (abs(values) + abs(true))).mean(), rel=1e-4)
    r2 = 1 - ((values - true) ** 2).sum(0) / ((true - true.mean(0)) ** 2).sum(0)
    assert found["r2"] == pytest.approx(r2.mean(), rel=1e-3)
    assert found["mase"] == pytest.approx((error.mean(0) / np.tile(naive_error, 2)).mean(), rel=1e-4)
    assert found["naive_mae"] == pytest.approx(np.abs(plain - true).mean(), rel=1e-4)
    naive_mase = (np.abs(plain - true).mean(0) / np.tile(naive_error, 2)).mean()
    assert found["naive_mase"] == pytest.approx(naive_mase, rel=1e-4)
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
