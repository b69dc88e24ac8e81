"""Time series: their windows, their parts, their scale, and what is read to forecast from."""

import numpy as np
import pandas as pd
import pytest
import torch
from file_data import data_in, series_table, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unroll.errors import InputError

ID = {"id": "id", "time": "time"}


def parts(steps, valid_fraction=0.1, test_fraction=0.1):
    """The steps of a series that each split owns."""
    valid, test = round(steps * valid_fraction), round(steps * test_fraction)
    train = steps - valid - test
    return {"train": (0, train), "valid": (train, train + valid), "test": (train + valid, steps)}


def slow_windows(table, config, task, split):
    """Inputs and targets of a split: every window is tried, and kept if all its targets are the split's."""
    window, horizon, targets = config["window"], config["horizon"], config["target"]
    names = [*targets, *[name for name in config["features"] if name not in targets]]
    found = []
    for _, rows in table.groupby("id", sort=False):
        values, aim = rows[names].to_numpy(np.float32), rows[targets].to_numpy(np.float32)
        low, high = parts(len(rows))[split]
        kept = []
        for start in range(len(rows)):
            if task == "one_ahead":
                steps = [start + i + 1 for i in range(window)]
            else:
                steps = [start + window + i for i in range(horizon)]
            if all(low <= step < high for step in steps):
                target = np.concatenate([aim[step] for step in steps]) if task == "forecast" else aim[steps]
                kept.append((values[start : start + window], target))
        found += kept[:: config["stride"]]
    return found


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    task=st.sampled_from(["forecast", "one_ahead", "seq2seq"]),
    targets=st.sampled_from([["load"], ["wind", "load"]]),
    features=st.sampled_from([[], ["wind"], ["load", "wind"]]),
    window=st.integers(1, 8),
    horizon=st.integers(1, 6),
    stride=st.integers(1, 3),
)
def test_windows_are_those_whose_targets_lie_in_the_part(
    tmp_path, task, targets, features, window, horizon, stride
):
    table = series_table(steps=80)
    path = write(tmp_path, "s.csv", table.to_csv(index=False))
    horizon = 1 if task == "one_ahead" else horizon
    config = {"target": targets, "window": window, "horizon": horizon, "stride": stride}
    data = data_in(path, "series", task=task, features=features or None, **ID, **config)
    for split, samples in data.splits.items():
        expected = slow_windows(table, {**config, "features": features}, task, split)
        assert len(samples) == len(expected)
        for sample, (inputs, target) in zip(samples.samples, expected, strict=True):
            np.testing.assert_array_equal(sample.inputs, inputs)
            np.testing.assert_array_equal(sample.targets, target)
    spec = data.spec
    sample = data.splits["test"].samples[0]
    assert (spec.input_size, spec.target_size) == (sample.inputs.shape[-1], sample.targets.shape[-1])
    assert len(spec.target_names) == spec.target_size
    assert (spec.length, spec.horizon, spec.max_target_length) == (window, horizon, horizon)
    assert [spec.input_names[i] for i in spec.target_inputs] == targets


def test_scale_and_naive_error_are_of_the_training_part(tmp_path):
    table = series_table(steps=50)
    path = write(tmp_path, "s.csv", table.to_csv(index=False))
    config = {"target": ["load"], "features": ["wind"], "window": 8, "horizon": 1, "season": 3, **ID}
    spec = data_in(path, "series", **config).spec
    train = table.groupby("id").head(40)
    for i, name in enumerate(["load", "wind"]):
        assert spec.input_mean[i] == pytest.approx(train[name].mean())
        assert spec.input_std[i] == pytest.approx(train[name].std(ddof=0))
    assert spec.target_mean == spec.input_mean[:1]
    assert spec.target_std == spec.input_std[:1]
    changes = train.groupby("id")["load"].diff(3).abs().dropna()
    assert spec.naive_error == pytest.approx((changes.mean(),))

    table.loc[table.groupby("id").tail(10).index, ["load", "wind"]] += 1000
    assert data_in(write(tmp_path, "s.csv", table.to_csv(index=False)), "series", **config).spec == spec


def test_a_constant_column_has_the_scale_1(tmp_path):
    table = series_table().assign(wind=0.1)
    data = data_in(
        write(tmp_path, "s.csv", table.to_csv(index=False)),
        "series",
        target="wind",
        **ID,
        window=8,
        horizon=1,
    )
    assert data.spec.input_std == (1.0,)
    assert data.spec.naive_error == ()


def test_mixed_rows_are_told_apart_by_time(tmp_path):
    table = series_table()
    config = {"target": "load", "window": 8, "horizon": 1, **ID}
    data = data_in(write(tmp_path, "s.csv", table.to_csv(index=False)), "series", **config)
    mixed = table.sort_values("time", kind="stable")
    again = data_in(write(tmp_path, "m.csv", mixed.to_csv(index=False)), "series", **config)
    assert again.spec == data.spec
    for split in data.splits:
        for one, other in zip(data.splits[split].samples, again.splits[split].samples, strict=True):
            assert torch.equal(one.inputs, other.inputs)


def test_given_files_are_each_whole(tmp_path):
    tables = {
        "train": series_table(40),
        "valid": series_table(12, ("a",), 1),
        "test": series_table(13, ("c",), 2),
    }
    files = {
        key: str(write(tmp_path, f"{key}.csv", table.to_csv(index=False))) for key, table in tables.items()
    }
    data = data_in(None, "series", target="load", window=8, horizon=3, **ID, **files)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 60, "valid": 2, "test": 3}
    load = tables["valid"]["load"].to_numpy(np.float32)
    assert data.splits["valid"].samples[0].inputs[:, 0].tolist() == load[:8].tolist()
    assert data.spec.input_mean == pytest.approx((tables["train"]["load"].mean(),))


def test_missing_values_repeat_the_one_before_in_their_series(tmp_path):
    text = "id,x\n" + "".join(f"a,{value}\n" for value in [1, "", "NA", 4, *range(5, 21)])
    text += "".join(f"b,{value}\n" for value in [7, "nan", *range(9, 27)])
    path = write(tmp_path, "s.csv", text)
    config = {"target": "x", "id": "id", "window": 2, "horizon": 1, "missing": "previous"}
    data = data_in(path, "series", **config)
    first = [sample.inputs.flatten().tolist() for sample in data.splits["train"].samples]
    assert first[:3] == [[1, 1], [1, 1], [1, 4]]
    assert [7, 7] in first
    assert data.carried == 3
    with pytest.raises(InputError, match=r"s\.csv:3: '' in column 'x' is a missing .*missing=previous"):
        data_in(path, "series", **{**config, "missing": "error"}).spec  # noqa: B018
    leading = write(tmp_path, "s.csv", text.replace("b,7", "b,"))
    with pytest.raises(InputError, match=r"s\.csv:22: column 'x' of series 'b' begins with a missing value"):
        data_in(leading, "series", **config).spec  # noqa: B018


@pytest.mark.parametrize("task", ["forecast", "one_ahead", "seq2seq"])
def test_forecasts_start_from_the_last_window_of_each_series(tmp_path, task):
    table = series_table()
    path = write(tmp_path, "s.csv", table.to_csv(index=False))
    horizon = 1 if task == "one_ahead" else 3
    config = {"task": task, "target": "load", "features": "wind", "window": 5, "horizon": horizon, **ID}
    data = data_in(tmp_path / "gone.csv", "series", **config)
    inputs = data.read_inputs(path, data_in(path, "series", **config).spec)
    assert inputs.columns == {"id": ["a", "b"]}
    assert (inputs.step_name, inputs.ahead) == ("time", horizon)
    for name, sample, steps in zip("ab", inputs.samples, inputs.steps, strict=True):
        rows = table[table["id"] == name]
        np.testing.assert_array_equal(sample.inputs, rows[["load", "wind"]].to_numpy(np.float32)[-5:])
        assert sample.targets is None
        last = pd.Timestamp(rows["time"].iloc[-1])
        assert steps == [str(last + pd.Timedelta(hours=step)) for step in range(1, horizon + 1)]


@pytest.mark.parametrize("task", ["forecast", "one_ahead", "seq2seq"])
def test_the_steps_of_a_window_are_those_of_its_rows(tmp_path, task):
    table = series_table()
    path = write(tmp_path, "s.csv", table.to_csv(index=False))
    horizon = 1 if task == "one_ahead" else 3
    data = data_in(path, "series", task=task, target="load", window=5, horizon=horizon, **ID)
    for index, sample in enumerate(data.splits["test"].samples):
        steps = data.named_steps("test", index)
        rows = table[(table["id"] == steps.name)].set_index("time")
        shown = [rows["load"][time.removesuffix(":00")] for time in steps.times]
        np.testing.assert_array_equal(sample.inputs[:, 0], np.float32(shown[:5]))
        np.testing.assert_array_equal(sample.targets.flatten()[-1], np.float32(shown[-1]))


def test_without_times_steps_ahead_are_counted(tmp_path):
    path = write(tmp_path, "s.csv", "x\n" + "".join(f"{i}\n" for i in range(30)))
    data = data_in(path, "series", target="x", window=4, horizon=3)
    inputs = data.read_inputs(path, data.spec)
    assert (inputs.columns, inputs.step_name, inputs.steps) == ({}, "step", [["1", "2", "3"]])
    with pytest.raises(InputError, match=r"t\.csv:4: the series ends after 3 .* data.window=4"):
        data.read_inputs(write(tmp_path, "t.csv", "x\n1\n2\n3\n"), data.spec)


def test_batches_do_not_depend_on_workers(tmp_path):
    path = write(tmp_path, "s.csv", series_table().to_csv(index=False))
    batches = [
        [(batch.index, batch.inputs, batch.targets) for batch in data.train_dataloader()]
        for data in (
            data_in(path, "series", target="load", window=8, horizon=1, workers=workers, **ID)
            for workers in (0, 2)
        )
    ]
    torch.testing.assert_close(batches[0], batches[1], rtol=0, atol=0)
