"""Values far from zero, very large and very small: they stay as in the file, or are refused in one line."""

import numpy as np
import pandas as pd
import pytest
import torch
from file_data import data_in, write
from helpers import require_one_line, small_model
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from unroll.data.collate import collate
from unroll.data.describe.summary import summarize
from unroll.data.prediction.predictions import predictions_table, predictions_text
from unroll.errors import InputError
from unroll.models.forecast_metrics import ForecastErrors

LIMITS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WINDOW = 4


@st.composite
def series(draw):
    """A random walk far from zero, with steps of some size."""
    offset = draw(st.sampled_from([0, 1, -1])) * 10.0 ** draw(st.integers(-3, 31))
    step = 10.0 ** draw(st.integers(-6, 6))
    seed = draw(st.integers(0, 99))
    steps = np.random.default_rng(seed).integers(1, 6, 60) * step * draw(st.sampled_from([1, -1]))
    return offset + np.cumsum(steps)


def one_series(folder, values, **keys):
    path = write(folder, "s.csv", pd.DataFrame({"x": values}).to_csv(index=False))
    return path, data_in(path, "series", target="x", window=WINDOW, horizon=2, **keys)


def numbers(text):
    return np.array([float(line.split(",")[-1]) for line in text.splitlines()[1:]])


@LIMITS
@given(values=series())
def test_series_keep_their_steps(tmp_path, values):
    """The property: what a model reads, its metrics, and what is printed are the file's to 1% of a step."""
    path, data = one_series(tmp_path, values)
    values = np.array([float(line) for line in path.read_text().splitlines()[1:]])
    change = np.abs(np.diff(values)).mean()
    assume(change > 0)
    try:
        splits, spec = data.splits, data.spec
    except InputError as error:
        require_one_line(error, f"{path}:")
        assert change < np.abs(values).max() * 2**-41  # nothing is refused without need
        return
    close = {"rtol": 0, "atol": 0.01 * change}
    batch = collate(splits["test"].samples[:], spec.signature)
    model = small_model("many_to_one", spec)
    scaling = model.target.scaling
    ends = values[len(values) - len(batch.inputs) - WINDOW - 1 :]
    wanted = np.stack([ends[start + WINDOW :][:2] for start in range(len(batch.inputs))])
    np.testing.assert_allclose(scaling.absolute(batch.targets), wanted, **close)

    metrics = model.target.metrics()
    errors = ForecastErrors(spec)
    perfect = scaling(batch.targets)
    metrics.loss.update(0.0)
    metrics.update(perfect, batch.targets, batch.lengths)
    errors.update(batch, scaling.inverse(perfect))
    found = {name: float(value) for name, value in {**metrics.compute(), **errors.compute()}.items()}
    last = np.stack([[ends[start + WINDOW - 1]] * 2 for start in range(len(batch.inputs))])
    assert found["naive_mae"] == pytest.approx(np.abs(wanted - last).mean(), rel=0.01)
    assert found["mae"] < 0.01 * change
    assert np.isfinite(list(found.values())).all()

    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.zero_()
    inputs = data.read_inputs(path, spec)
    predicted = model.predict_step(collate(inputs.samples, spec.signature))
    printed = numbers(predictions_text(predictions_table(inputs, predicted, spec), spec))
    assert printed == pytest.approx([spec.target_mean[0]] * 2, abs=0.05 * change)
    described = summarize(data)["inputs"]["x"]["min" if values[1] > values[0] else "max"]
    assert described == pytest.approx(values[0], abs=0.01 * change)


@pytest.mark.parametrize(
    "values",
    [5e9 + np.cumsum([1, 2, 5] * 20), 1e9 + 0.001 * np.arange(60), 1.7e9 + 3600 * np.arange(60)],
    ids=["counter", "fine", "timestamps"],
)
def test_meters_are_right(tmp_path, values):
    _, data = one_series(tmp_path, values)
    assert data.spec.centered
    model = small_model("many_to_one", data.spec)
    batch = data.collate(data.splits["test"].samples[:])
    example = model.examples(batch)[0]
    shown = [float(value) for value in example.targets[0].split()]
    true = model.forecasts(batch)[0].true
    assert true == pytest.approx(shown, abs=0.01 * (values[1] - values[0]))
    assert len(set(shown)) == len(shown)


def test_ordinary_series_are_read_as_ever(tmp_path):
    """Bits of earlier runs stay: nothing is subtracted where float32 holds the values."""
    values = np.random.default_rng(0).normal(100, 10, 60).round(3)
    _, data = one_series(tmp_path, values)
    assert not data.spec.centered
    first = data.splits["train"][0].inputs
    assert torch.equal(first[:, 0], torch.tensor(values[:WINDOW], dtype=torch.float32))


def test_several_meters_far_from_one_another_are_refused(tmp_path):
    """The mean of all is near none of them."""
    frame = pd.DataFrame(
        {"id": ["a"] * 60 + ["b"] * 60, "x": [*(1e9 + np.arange(60)), *(7e9 + np.arange(60))]}
    )
    path = write(tmp_path, "s.csv", frame.to_csv(index=False))
    data = data_in(path, "series", target="x", id="id", window=4, horizon=2)
    with pytest.raises(InputError, match=r"s\.csv:2: 1000000000 in column 'x' is too far from the others"):
        data.splits  # noqa: B018


def test_what_a_model_cannot_see_is_refused_in_prediction(tmp_path):
    _, data = one_series(tmp_path, 1e9 + np.arange(60.0))
    far = write(tmp_path, "far.csv", "x\n" + "9e9\n" * 4)
    with pytest.raises(InputError, match=r"far\.csv:2: 9000000000 in column 'x' is too far"):
        data.read_inputs(far, data.spec)


@pytest.mark.parametrize("scale", [1e-25, 1e29])
def test_metrics_of_very_small_and_large_values_are_those_of_others(tmp_path, scale):
    """Squares of such numbers are beyond float32."""
    steps = np.random.default_rng(0).normal(size=60)
    found = []
    for factor in (1.0, scale):
        _, data = one_series(tmp_path, steps * factor)
        model = small_model("many_to_one", data.spec)
        batch = data.collate(data.splits["test"].samples[:])
        metrics = model.target.metrics()
        metrics.loss.update(0.0)
        random = torch.randn(len(batch), 2, generator=torch.Generator().manual_seed(0))
        metrics.update(random, batch.targets, batch.lengths)
        errors = ForecastErrors(data.spec)
        errors.update(batch, model.target.scaling.inverse(random))
        values = {name: float(value) for name, value in {**metrics.compute(), **errors.compute()}.items()}
        in_units = {name: value / factor for name, value in values.items() if name.endswith(("mae", "rmse"))}
        found.append({**values, **in_units})
    assert found[1] == pytest.approx(found[0], rel=1e-4)


def test_other_files_keep_large_values_too(tmp_path):
    """Sequences with a value each, sequences to continue, and contexts."""
    rows = [(f"s{i}", 5e9 + i % 7, 3e9 + i) for i in range(40) for _ in range(3)]
    path = write(tmp_path, "s.csv", pd.DataFrame(rows, columns=["id", "x", "y"]).to_csv(index=False))
    data = data_in(path, "sequences", task="value", target="y", features="x")
    assert data.spec.centered
    batch = data.collate(data.splits["train"].samples[:])
    model = small_model("many_to_one", data.spec)
    found = model.target.scaling.absolute(batch.targets)[:, 0].tolist()
    assert set(found) <= {3e9 + i for i in range(40)}
    assert len(set(found)) == len(found)
    path = write(tmp_path, "c.tsv", "".join(f"{4e9 + i} 1\ta b\n" for i in range(40)))
    data = data_in(path, "token_file", task="context")
    seen = {float(sample.inputs[0, 0]) for sample in data.splits["train"]}
    assert len(seen) == len(data.splits["train"])
