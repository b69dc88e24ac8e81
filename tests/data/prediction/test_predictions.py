"""Predictions as tables: what stands beside them, in which order, and how they are written."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from file_data import data_in, preset, sequences_table, series_table, write
from helpers import token_spec

from unroll.data.prediction.inputs import PredictionInputs, text_inputs
from unroll.data.prediction.predictions import predictions_table, predictions_text


def read(folder, name):
    """The data of a preset, and the inputs in its own file."""
    data = preset(folder, name)
    return data, data.read_inputs(Path(data.config.path), data.spec, unknown=True)


def guess(data, inputs, seed=0):
    """Random predictions in the shape that a model gives them."""
    spec = data.spec
    random = np.random.default_rng(seed)
    found = []
    for sample in inputs.samples:
        target = data.splits["train"].samples[0].targets
        steps = {"one per step": (len(sample.inputs),), "one per sequence": (), "unaligned": target.shape[:1]}
        shape = (*steps[spec.signature.alignment.value], spec.target_size)
        values = random.random(shape, dtype=np.float32)
        if spec.signature.targets.value == "classes":
            values /= values.sum(axis=-1, keepdims=True)
        found.append(values)
    return found


def test_forecasts(tmp_path):
    data, inputs = read(tmp_path, "series")
    predictions = guess(data, inputs)
    table = predictions_table(inputs, predictions, data.spec)
    assert list(table.columns) == ["id", "time", "load"]
    assert table["id"].tolist() == ["a"] * 3 + ["b"] * 3
    last = pd.Timestamp(series_table()["time"].iloc[-1])
    hours = [str(last + pd.Timedelta(hours=step)) for step in (1, 2, 3)]
    assert table["time"].tolist() == hours * 2
    assert table["load"].tolist() == [value for row in predictions for value in row.tolist()]
    again = pd.read_csv(io.StringIO(predictions_text(table, data.spec)))
    np.testing.assert_allclose(again["load"], table["load"], rtol=1e-6)


def test_forecasts_one_ahead_are_the_last_step(tmp_path):
    data, inputs = read(tmp_path, "series_one_ahead")
    predictions = guess(data, inputs)
    table = predictions_table(inputs, predictions, data.spec)
    assert list(table.columns) == ["id", "step", "load", "wind"]
    assert table[["load", "wind"]].to_numpy().tolist() == [steps[-1].tolist() for steps in predictions]
    assert table["step"].tolist() == ["1", "1"]


def test_forecasts_of_several_targets_step_by_step(tmp_path):
    path = write(tmp_path, "s.csv", series_table().to_csv(index=False))
    for task in ("forecast", "seq2seq"):
        data = data_in(path, "series", task=task, target=["load", "wind"], window=8, horizon=3, id="id")
        inputs = data.read_inputs(path, data.spec)
        values = np.arange(6).reshape(3, 2)
        predictions = [values.flatten() if task == "forecast" else values] * 2
        table = predictions_table(inputs, predictions, data.spec)
        assert list(table.columns) == ["id", "step", "load", "wind"]
        assert table[["load", "wind"]].to_numpy().tolist() == values.tolist() * 2


def test_labels_with_probabilities(tmp_path):
    data, inputs = read(tmp_path, "sequences")
    predictions = guess(data, inputs)
    table = predictions_table(inputs, predictions, data.spec)
    assert list(table.columns) == ["id", "label", "p(even)", "p(odd)"]
    assert table["id"].tolist() == sequences_table()["id"].unique().tolist()
    assert table["label"].tolist() == ["even" if row[0] > row[1] else "odd" for row in predictions]
    np.testing.assert_array_equal(table[["p(even)", "p(odd)"]], np.stack(predictions))


def test_labels_of_steps(tmp_path):
    data, inputs = read(tmp_path, "sequences_steps")
    predictions = guess(data, inputs)
    table = predictions_table(inputs, predictions, data.spec)
    assert list(table.columns) == ["id", "step", "label", "p(rest)", "p(run)"]
    assert table["id"].tolist() == sequences_table()["id"].tolist()
    assert table["step"].tolist() == sequences_table()["step"].astype(str).tolist()
    flat = np.concatenate(predictions)
    assert table["label"].tolist() == ["rest" if row[0] > row[1] else "run" for row in flat]
    np.testing.assert_array_equal(table[["p(rest)", "p(run)"]], flat)


def test_values(tmp_path):
    data, inputs = read(tmp_path, "sequences_value")
    predictions = guess(data, inputs)
    table = predictions_table(inputs, predictions, data.spec)
    assert list(table.columns) == ["id", "value", "red"]
    np.testing.assert_array_equal(table[["value", "red"]], np.stack(predictions))


@pytest.mark.parametrize(
    ("name", "labels"), [("sequences_labels", ["red", "blue"]), ("sequences_next_labels", ["on", "off"])]
)
def test_several_labels(tmp_path, name, labels):
    data, inputs = read(tmp_path, name)
    predictions = guess(data, inputs)
    table = predictions_table(inputs, predictions, data.spec)
    step = [] if name == "sequences_labels" else ["step"]
    assert list(table.columns) == ["id", *step, *labels, *(f"p({label})" for label in labels)]
    flat = np.concatenate([row.reshape(-1, 2) for row in predictions])
    np.testing.assert_array_equal(table[labels], flat > 0.5)
    np.testing.assert_array_equal(table[[f"p({label})" for label in labels]], flat)


def test_next_steps_reach_beyond_the_last(tmp_path):
    data, inputs = read(tmp_path, "sequences_next")
    predictions = guess(data, inputs)
    table = predictions_table(inputs, predictions, data.spec)
    assert list(table.columns) == ["id", "step", "x", "y"]
    assert len(table) == len(sequences_table())
    np.testing.assert_array_equal(table[["x", "y"]], np.concatenate(predictions))


def test_tokens_are_written_like_their_files(tmp_path):
    data, inputs = read(tmp_path, "token_pairs")
    table = predictions_table(inputs, [f"out {i}" for i in range(len(inputs.samples))], data.spec)
    assert list(table.columns) == ["input", "prediction"]
    lines = predictions_text(table, data.spec).splitlines()
    assert lines[0] == "w0 w1\tout 0"
    assert len(lines) == len(inputs.samples)

    data, inputs = read(tmp_path, "context_tokens")
    table = predictions_table(inputs, ["t1"] * len(inputs.samples), data.spec)
    assert table.iloc[1].tolist() == ["1 0.143", "t1"]


def test_classes_of_tokens_have_the_form_of_all_classes(tmp_path):
    data, inputs = read(tmp_path, "token_labels")
    table = predictions_table(inputs, [[0.25, 0.75]] * len(inputs.samples), data.spec)
    assert table.iloc[1].tolist() == ["2", "w0 bad thing", "positive", 0.25, 0.75]
    lines = predictions_text(table, data.spec).splitlines()
    assert lines[:2] == ["line,input,label,p(negative),p(positive)", "1,w0 good,positive,0.25,0.75"]

    data, inputs = read(tmp_path, "token_tags")
    steps = np.array([[0, 0.25, 0.75], [1, 0, 0], [0, 1, 0]])
    table = predictions_table(inputs, [steps] * len(inputs.samples), data.spec)
    assert predictions_text(table, data.spec).splitlines()[:5] == [
        "line,step,input,label,p(D),p(N),p(V)",
        "1,1,the,V,0,0.25,0.75",
        "1,2,w0,D,1,0,0",
        "1,3,runs,N,0,1,0",
        "2,1,the,V,0,0.25,0.75",
    ]


def test_the_line_of_an_input_is_that_in_its_file_or_its_number(tmp_path):
    data = preset(tmp_path, "token_labels")
    read_in = data.read_inputs(write(tmp_path, "new.txt", "\nw0, w0\n\nw1\n"), data.spec, unknown=True)
    assert read_in.columns == {"line": ["2", "4"], "input": ["w0, w0", "w1"]}
    typed = text_inputs([("--text", "w0"), ("--text", "w1")], data.spec)
    assert typed.columns["line"] == ["1", "2"]
    table = predictions_table(read_in, [[1, 0]] * 2, data.spec)
    assert '2,"w0, w0",negative,1,0' in predictions_text(table, data.spec).splitlines()


def test_columns_of_the_same_name_are_both_kept(tmp_path):
    table = sequences_table().rename(columns={"id": "label", "label": "kind"})
    path = write(tmp_path, "s.csv", table.to_csv(index=False))
    data = data_in(path, "sequences", id="label", target="kind", features=["x"])
    inputs = data.read_inputs(path, data.spec)
    text = predictions_text(predictions_table(inputs, guess(data, inputs), data.spec), data.spec)
    assert text.startswith("label,label,p(even),p(odd)\ns0,")


def test_tabs_and_quotes_in_an_input_do_not_break_its_line():
    spec = token_spec()
    inputs = text_inputs([("here", 't1 "t2" "')], token_spec(), unknown=True)
    assert predictions_text(predictions_table(inputs, ["t1"], spec), spec) == 't1 "t2" "\tt1\n'
    odd = PredictionInputs(samples=inputs.samples, columns={"input": ["t1\tt2\nt3"]})
    assert predictions_text(predictions_table(odd, ["t1"], spec), spec) == "t1 t2 t3\tt1\n"


def test_one_prediction_for_each_sequence():
    with pytest.raises(ValueError, match="2 predictions for 1 sequences"):
        predictions_table(text_inputs([("here", "t1")], token_spec()), ["a", "b"], token_spec())
