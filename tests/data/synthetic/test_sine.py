"""Sine waves: each value, each target, and every key."""

import math

import numpy as np
import pytest
import torch

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.errors import InputError
from unroll.spec import Alignment, Kind, Signature

SIZES = {"train_size": 200, "valid_size": 20, "test_size": 20}
TASKS = ["next", "forecast", "one_ahead", "frequency", "seq2seq"]
PLAIN = {"phase": 0, "min_amplitude": 1, "max_amplitude": 1, "min_frequency": 1, "max_frequency": 1}
"""sin(2π · step / steps_per_unit): every sample is the same."""


def sine(seed=1, **values):
    return build_data(from_dict("data", {"name": "sine", **SIZES, **values}), seed)


def train(**values):
    return sine(**values).splits["train"].samples


def test_ten_points_of_sin_on_zero_to_pi():
    data = sine(**PLAIN, min_length=10, max_length=10, steps_per_unit=18, batch_size=1)
    batch = next(iter(data.test_dataloader()))
    assert batch.inputs.shape == (1, 10, 1)
    np.testing.assert_allclose(batch.inputs[0, :, 0], np.sin(np.linspace(0, np.pi, 10)), atol=1e-6)
    np.testing.assert_allclose(batch.targets, [[np.sin(np.pi * 10 / 9)]], atol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("task", ["next", "forecast", "one_ahead", "seq2seq"])
def test_targets_are_what_is_observed_after_the_inputs(task, noise):
    """The same wave, drawn longer, shows what comes after; noise is drawn with it and stays the same."""
    features, horizon = 3, 4
    ahead = horizon if task in ("forecast", "seq2seq") else 1
    values = {"features": features, "noise": noise, "horizon": horizon}
    seen = train(**values, task=task, min_length=12, max_length=12)
    whole = train(**values, task="one_ahead", min_length=11 + ahead, max_length=11 + ahead)
    for sample, longer in zip(seen, whole, strict=True):
        wave = torch.cat([longer.inputs, longer.targets[-1:]]).tolist()
        assert sample.inputs.tolist() == wave[:12]
        after = {
            "next": wave[12],
            "forecast": [value for step in wave[12:16] for value in step],
            "one_ahead": wave[1:13],
            "seq2seq": wave[12:16],
        }
        assert sample.targets.tolist() == after[task]


def test_each_feature_is_a_sine_of_its_own_within_the_ranges():
    """Neighbours of a sine's value add up to 2 cos(2π · frequency / steps_per_unit) times that value."""
    waves = np.stack([sample.inputs.double().numpy() for sample in train(features=2, min_length=25)])
    before, middle, after = waves[:, :-2], waves[:, 1:-1], waves[:, 2:]
    cosine = ((before + after) * middle).sum(1) / (2 * middle * middle).sum(1)
    np.testing.assert_allclose(before + after, 2 * cosine[:, None] * middle, atol=1e-4)
    frequency = np.arccos(cosine) * 20 / (2 * np.pi)
    quadrature = (after - before) / (2 * np.sin(2 * np.pi * frequency / 20)[:, None])
    amplitude = np.hypot(middle, quadrature)[:, 0]
    for quantity, low, high in ((frequency, 0.5, 2.0), (amplitude, 0.5, 1.0)):
        assert quantity.min() == pytest.approx(low, abs=0.05)
        assert quantity.max() == pytest.approx(high, abs=0.05)
        assert abs(np.corrcoef(quantity.T)[0, 1]) < 0.2
    phase = np.arctan2(middle, quadrature)[:, 0]
    assert np.abs(np.exp(1j * phase).mean()) < 0.2


def test_a_given_phase_is_that_of_every_wave():
    for sample in train(**{**PLAIN, "phase": 0.5}, features=2):
        assert sample.inputs[0].tolist() == pytest.approx([math.sin(0.5)] * 2)


def test_noise_has_its_standard_deviation():
    clean = sine(**PLAIN, train_size=1)
    noisy = np.stack([sample.inputs.numpy() for sample in train(**PLAIN, noise=0.3)])
    noise = noisy - clean.splits["train"].samples[0].inputs.numpy()
    assert noise.std() == pytest.approx(0.3, rel=0.05)
    assert abs(noise.mean()) < 0.02
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.05


def test_classes_are_frequencies():
    data = sine(task="frequency", classes=3, min_frequency=1, max_frequency=2, features=2, min_length=25)
    assert data.spec.target_vocabulary == ("1", "1.5", "2")
    counts = np.zeros(3)
    for sample in data.splits["train"].samples:
        wave = sample.inputs.double().numpy()
        cosine = math.cos(2 * math.pi * [1, 1.5, 2][sample.targets] / 20)
        np.testing.assert_allclose(wave[2:] + wave[:-2], 2 * cosine * wave[1:-1], atol=1e-5)
        counts[sample.targets] += 1
    assert counts.min() > 40


@pytest.mark.parametrize("task", TASKS)
def test_samples_are_a_function_of_seed_split_and_index(task):
    def values(seed, **sizes):
        samples = sine(seed, task=task, **sizes).splits["train"].samples
        return [(sample.inputs.tolist(), sample.targets.tolist()) for sample in samples]

    assert values(1, train_size=20) == values(1)[:20]
    assert values(1, train_size=20) != values(2, train_size=20)
    first = {str(split.samples[0].inputs.tolist()) for split in sine(task=task).splits.values()}
    assert len(first) == 3


@pytest.mark.parametrize(
    ("task", "targets", "alignment", "spec"),
    [
        ("next", Kind.CONTINUOUS, Alignment.SEQUENCE, {"target_size": 2, "horizon": 1}),
        ("forecast", Kind.CONTINUOUS, Alignment.SEQUENCE, {"target_size": 6, "horizon": 3}),
        ("one_ahead", Kind.CONTINUOUS, Alignment.STEP, {"target_size": 2, "horizon": 1}),
        ("frequency", Kind.CLASSES, Alignment.SEQUENCE, {"target_size": 4, "target_inputs": ()}),
        (
            "seq2seq",
            Kind.CONTINUOUS,
            Alignment.UNALIGNED,
            {"target_size": 2, "horizon": 3, "max_target_length": 3},
        ),
    ],
)
def test_spec(task, targets, alignment, spec):
    made = sine(task=task, features=2, horizon=3, max_length=30).spec
    assert made.signature == Signature(Kind.CONTINUOUS, targets, alignment)
    expected = {"input_size": 2, "input_names": ("x1", "x2"), "target_inputs": (0, 1), "length": 0, **spec}
    assert {key: getattr(made, key) for key in expected} == expected
    names = {"forecast": ("x1+1", "x2+1", "x1+2", "x2+2", "x1+3", "x2+3"), "frequency": ()}
    assert made.target_names == names.get(task, ("x1", "x2"))
    assert sine(task=task, min_length=9, max_length=9).spec.length == 9


@pytest.mark.parametrize("task", ["next", "forecast", "one_ahead", "seq2seq"])
def test_the_naive_error_is_the_mean_change_from_step_to_step(task):
    ahead = 5 if task in ("forecast", "seq2seq") else 1
    lengths = {"min_length": 7, "max_length": 7}
    made = sine(task=task, features=2, horizon=5, noise=0.1, **lengths)
    longer = train(task="next", features=2, noise=0.1, min_length=6 + ahead, max_length=6 + ahead)
    waves = np.stack([[*sample.inputs.numpy(), sample.targets.numpy()] for sample in longer])
    changes = [abs(waves[:, t + 1] - waves[:, t]) for t in range(6 + ahead)]
    np.testing.assert_allclose(made.spec.naive_error, np.mean(changes, axis=(0, 1)), rtol=1e-4)
    assert sine(task="frequency").spec.naive_error == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "nxt"}, "task: Invalid value 'nxt', expected one of"),
        ({"min_length": 0}, "min_length=0: must be 1 or more"),
        ({"max_length": 5}, "max_length=5: must be min_length=25 or more"),
        ({"steps_per_unit": 0}, "steps_per_unit=0.0: must be a positive number"),
        ({"steps_per_unit": math.nan}, "steps_per_unit=nan: must be a positive number"),
        ({"min_frequency": 0}, "min_frequency=0.0: must be a positive number"),
        ({"max_frequency": 0.25}, "max_frequency=0.25: must be min_frequency=0.5 or more"),
        ({"max_frequency": math.inf}, "max_frequency=inf: must be min_frequency=0.5 or more"),
        (
            {"task": "frequency", "max_frequency": 0.5},
            "max_frequency=0.5: must be above min_frequency=0.5 to be told apart",
        ),
        ({"phase": math.nan}, r"phase=nan: must be a number, or null \(random\)"),
        ({"min_amplitude": -1}, "min_amplitude=-1.0: must be zero or a positive number"),
        ({"max_amplitude": 0.25}, "max_amplitude=0.25: must be min_amplitude=0.5 or more"),
        ({"noise": -0.5}, "noise=-0.5: must be zero or a positive number"),
        ({"features": 0}, "features=0: must be 1 or more"),
        ({"horizon": 0}, "horizon=0: must be 1 or more"),
        ({"classes": 1}, "classes=1: must be 2 or more"),
        ({"test_size": 0}, "test_size=0: must be 1 or more"),
    ],
)
def test_bad_values_are_told(values, message):
    with pytest.raises(InputError, match=f"^data.{message}"):
        sine(**values)
