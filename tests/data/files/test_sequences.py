"""Labelled sequences: every task, the splits, the scale, and what is read to predict for."""

import numpy as np
import pytest
import torch
from file_data import data_in, sequences_table, write

from unroll.errors import InputError
from unroll.spec import Alignment, Kind

FEATURES = ["x", "y"]


def made(tmp_path, task, **values):
    path = write(tmp_path, "s.csv", sequences_table().to_csv(index=False))
    return data_in(path, "sequences", task=task, **{"features": FEATURES, **values})


def by_features(data, split):
    """The samples of a split by their first values, which are different in each."""
    return {tuple(sample.inputs[0].tolist()): sample for sample in data.splits[split].samples}


def slow_target(task, rows, classes):
    """The target of the rows of one sequence."""
    match task:
        case "label":
            return classes.index(rows["label"].iloc[0])
        case "value":
            return rows[["value", "red"]].to_numpy(np.float32)[0]
        case "labels":
            return rows[["red", "blue"]].to_numpy(np.float32)[0]
        case "step_label":
            return [classes.index(state) for state in rows["state"]]
        case _:
            return rows[["on", "off"] if task == "next_labels" else FEATURES].to_numpy(np.float32)[1:]


TASKS = {
    "label": ({"target": "label"}, Kind.CLASSES, Alignment.SEQUENCE),
    "value": ({"target": ["value", "red"]}, Kind.CONTINUOUS, Alignment.SEQUENCE),
    "labels": ({"target": ["red", "blue"]}, Kind.LABELS, Alignment.SEQUENCE),
    "step_label": ({"target": "state"}, Kind.CLASSES, Alignment.STEP),
    "next": ({}, Kind.CONTINUOUS, Alignment.STEP),
    "next_labels": ({"features": ["on", "off"]}, Kind.LABELS, Alignment.STEP),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("mixed", [False, True], ids=["whole", "mixed"])
def test_each_sequence_is_a_sample_with_its_target(tmp_path, task, mixed):
    values, kind, alignment = TASKS[task]
    table = sequences_table()
    # A different value begins each sequence, to know it by.
    features = values.get("features", FEATURES)
    rows = table.sample(frac=1, random_state=0).sort_values("step", kind="stable") if mixed else table
    path = write(tmp_path, "s.csv", rows.to_csv(index=False))
    config = {"features": FEATURES, "step": "step", **values}
    data = data_in(path, "sequences", task=task, **config)
    spec = data.spec
    assert (spec.signature.targets, spec.signature.alignment) == (kind, alignment)
    inputs = data.read_inputs(path, spec)  # in the order of the file, with ids
    by_id = {name: sample.inputs for name, sample in zip(inputs.columns["id"], inputs.samples, strict=True)}
    classes = sorted({"label": ["even", "odd"], "step_label": ["rest", "run"]}.get(task, []))
    expected = []
    for name, group in table.groupby("id"):
        whole = torch.tensor(group[features].to_numpy(np.float32))
        assert torch.equal(by_id[name], whole)
        steps = whole[:-1] if task.startswith("next") else whole
        expected.append((steps.tolist(), torch.as_tensor(slow_target(task, group, classes)).tolist()))
    found = [
        (sample.inputs.tolist(), sample.targets.tolist())
        for split in data.splits.values()
        for sample in split.samples
    ]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 24, "valid": 3, "test": 3}


def test_specs_name_and_scale(tmp_path):
    label = made(tmp_path, "label", target="label").spec
    assert (label.target_vocabulary, label.target_size, label.input_names) == (("even", "odd"), 2, ("x", "y"))
    labels = made(tmp_path, "labels", target=["red", "blue"]).spec
    assert (labels.target_vocabulary, labels.target_size) == (("red", "blue"), 2)
    following = made(tmp_path, "next").spec
    assert (following.target_inputs, following.horizon, following.target_names) == ((0, 1), 1, ("x", "y"))
    held = made(tmp_path, "next_labels", features=["on", "off"]).spec
    assert (held.input_mean, held.input_std, held.target_inputs) == ((), (), (0, 1))
    assert held.target_vocabulary == ("on", "off")


@pytest.mark.parametrize("task", ["value", "next"])
def test_scale_is_of_the_training_part(tmp_path, task):
    values = TASKS[task][0]
    data = made(tmp_path, task, **values)
    spec = data.spec
    table = sequences_table()
    trained = {sample.inputs[0, 0].item() for sample in data.splits["train"].samples}
    train = table.groupby("id").filter(lambda rows: np.float32(rows["x"].iloc[0]) in trained)
    assert spec.input_mean == pytest.approx(train[FEATURES].mean().tolist())
    assert spec.input_std == pytest.approx(train[FEATURES].std(ddof=0).tolist())
    if task == "value":
        targets = train.groupby("id")[["value", "red"]].first()
        assert spec.target_mean == pytest.approx(targets.mean().tolist())
        assert spec.target_std == pytest.approx(targets.std(ddof=0).tolist())
    else:
        assert spec.target_mean == spec.input_mean
        changes = train.groupby("id")[FEATURES].diff().abs().mean()
        assert spec.naive_error == pytest.approx(changes.tolist())


def test_splits_are_seeded_and_share_no_sequence(tmp_path):
    def firsts(**values):
        data = made(tmp_path, "label", target="label", **values)
        return {split: set(by_features(data, split)) for split in data.splits}

    splits = firsts()
    assert not splits["train"] & splits["test"]
    assert not splits["train"] & splits["valid"]
    assert firsts() == splits
    assert firsts(split_seed=2) != splits
    third = firsts(valid_fraction=0.2, test_fraction=0.3)
    assert [len(third[split]) for split in ("train", "valid", "test")] == [15, 6, 9]


def test_features_are_all_other_columns_unless_named(tmp_path):
    table = sequences_table()[["id", "step", "x", "label", "y"]]
    path = write(tmp_path, "s.csv", table.to_csv(index=False))
    data = data_in(path, "sequences", target="label", step="step")
    assert data.spec.input_names == ("x", "y")
    assert data_in(path, "sequences", target="label").spec.input_names == ("step", "x", "y")
    # What is predicted for needs no target, and its columns may come in another order.
    other = write(tmp_path, "new.csv", table[["y", "x", "step", "id"]].to_csv(index=False))
    new, old = data.read_inputs(other, data.spec), data.read_inputs(path, data.spec)
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(new.samples, old.samples, strict=True))
    assert new.steps == old.steps
    assert new.steps[0] == [str(step) for step in table[table["id"] == "s0"]["step"]]


def test_steps_are_counted_where_no_column_names_them(tmp_path):
    data = made(tmp_path, "step_label", target="state")
    inputs = data.read_inputs(tmp_path / "s.csv", data.spec)
    assert inputs.step_name == "step"
    assert [len(steps) for steps in inputs.steps] == [len(sample.inputs) for sample in inputs.samples]
    assert inputs.steps[0][:2] == ["1", "2"]


def test_given_files(tmp_path):
    table = sequences_table()
    ids = table["id"].unique()
    files = {}
    for key, part in (("train", ids[:20]), ("valid", ids[20:24]), ("test", ids[24:])):
        rows = table[table["id"].isin(part)]
        files[key] = str(tmp_path / f"{key}.parquet")
        rows.to_parquet(files[key])
    data = data_in(None, "sequences", target="label", features=FEATURES, **files)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 20, "valid": 4, "test": 6}
    assert data.spec.input_mean[0] == pytest.approx(table[table["id"].isin(ids[:20])]["x"].mean())


def test_the_length_is_known_where_it_is_the_same(tmp_path):
    assert made(tmp_path, "label", target="label").spec.length == 0
    table = sequences_table().groupby("id").head(2)
    path = write(tmp_path, "even.csv", table.to_csv(index=False))
    assert data_in(path, "sequences", target="label", features=FEATURES).spec.length == 2


def test_one_step_is_enough_to_predict_the_next(tmp_path):
    data = made(tmp_path, "next")
    alone = write(tmp_path, "one.csv", "id,x,y\nnew,1.5,2\n")
    inputs = data.read_inputs(alone, data.spec)
    assert inputs.samples[0].inputs.tolist() == [[1.5, 2]]
    with pytest.raises(InputError, match=r"one\.csv:2: sequence 'new' has too few steps, 1,"):
        data_in(alone, "sequences", task="next").spec  # noqa: B018


def test_batches_do_not_depend_on_workers(tmp_path):
    loaders = [made(tmp_path, "step_label", target="state", workers=n).train_dataloader() for n in (0, 2)]
    batches = [[(batch.index, batch.inputs, batch.targets) for batch in loader] for loader in loaders]
    torch.testing.assert_close(batches[0], batches[1], rtol=0, atol=0)
