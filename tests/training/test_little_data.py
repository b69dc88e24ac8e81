"""Runs on hardly any data: each ends with results, or is refused in one line before the training."""

import dataclasses
import json

import numpy as np
import pandas as pd
import programs
import pytest
import torch
from file_data import write
from helpers import any_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.models.targets import build_target
from unroll.spec import Alignment, Kind

FAST = [
    "trainer.max_epochs=1",
    "logger=csv",
    "model.hidden_size=4",
    "trainer.accelerator=cpu",
    "trainer.progress_bar=false",
]


def trained(folder, *overrides):
    """Train; the results, or None if one line refuses it."""
    ended = programs.run("train", [*FAST, "run_dir=run", *overrides], folder, seconds=300)
    if ended.code:
        assert ended.code == 2, ended.stderr
        assert ended.stderr.startswith("error: ")
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert not (folder / "run" / "checkpoints").exists()  # nothing was trained in vain
        return None, ended
    return json.loads((folder / "run" / "results.json").read_text(), parse_constant=pytest.fail), ended


@pytest.mark.parametrize("task", ["sine_next", "sine_forecast", "sine_seq2seq"])
def test_one_value_to_test_on(task, tmp_path):
    sizes = ("data.train_size=8", "data.valid_size=1", "data.test_size=1", "data.horizon=1")
    model = "seq2seq_continuous" if task == "sine_seq2seq" else "many_to_one"
    results, ended = trained(tmp_path, f"model={model}", f"data={task}", *sizes)
    assert results["test"]["test/r2"] is None
    assert results["valid"]["valid/r2"] is None
    assert results["test"]["test/mae"] > 0
    assert "r2                           -" in ended.stdout
    assert "(not defined for these test data: r2, r2_pooled)" in ended.stdout
    assert "nan" not in (tmp_path / "run" / "metrics.csv").read_text()


def test_ten_sequences_and_twenty_rows(tmp_path):
    frame = pd.DataFrame({"id": np.repeat(range(10), 3), "x": np.arange(30.0), "y": np.repeat(range(10), 3)})
    write(tmp_path, "t.csv", frame.to_csv(index=False))
    given = ("model=many_to_one", "data=sequences", "data.path=t.csv", "data.target=y")
    results, _ = trained(tmp_path, *given, "data.task=value", "data.features=x")
    assert results["sizes"] == {"train": 8, "valid": 1, "test": 1}
    assert results["test"]["test/r2"] is None


@pytest.mark.parametrize("rows", [3, 20, 30])
def test_short_series(rows, tmp_path):
    write(tmp_path, "s.csv", "x\n" + "".join(f"{row % 5}\n" for row in range(rows)))
    keys = ("data=series", "data.path=s.csv", "data.target=x", "data.window=3", "data.horizon=1")
    results, ended = trained(tmp_path, "model=many_to_one", *keys)
    if results is None:
        assert "leaves none" in ended.stderr or "a window needs" in ended.stderr
    else:
        assert results["test"]["test/mae"] >= 0


SPECS = [
    any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.SEQUENCE),
    any_spec(Kind.CONTINUOUS, Kind.LABELS, Alignment.SEQUENCE),
    dataclasses.replace(
        any_spec(Kind.CONTINUOUS, Kind.LABELS, Alignment.SEQUENCE), target_size=1, target_vocabulary=("a",)
    ),
    any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.signature.targets.value}-{spec.target_size}")
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_metrics_of_any_few_rows_are_numbers_or_undefined(spec, data):
    """The property of every metric: one row, one class, constant targets raise and warn of nothing."""
    rows = data.draw(st.integers(1, 4))
    outputs = torch.full((rows, spec.target_size), data.draw(st.sampled_from([0.0, 1.0, -3.0])))
    match spec.signature.targets:
        case Kind.CLASSES:
            targets = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)))
        case _:
            targets = torch.full((rows, spec.target_size), data.draw(st.sampled_from([0.0, 1.0])))
    metrics = build_target(spec).metrics()
    metrics.loss.update(0.5)
    metrics.update(outputs, targets, torch.ones(rows, dtype=torch.long))
    found = {name: float(value) for name, value in metrics.compute().items()}
    undefined = {name for name, value in found.items() if not np.isfinite(value)}
    one = {"r2", "r2_pooled"} if rows == 1 else set()
    lacking = {"roc_auc"} if len(set(targets.flatten().tolist())) < spec.target_size else set()
    assert undefined == (one | lacking) & found.keys()
