"""`unroll refit` does what a run did once more, on all of its data, for as long as was best there."""

import csv
import json
from itertools import pairwise

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import yaml
from file_data import data_in, series_table, write
from helpers import require_one_line

from unroll.cli.refit import _checked
from unroll.cli.resume import plain_values
from unroll.config.compose import CONF, check, compose
from unroll.config.registry import build, from_dict
from unroll.data.module import build_data
from unroll.errors import InputError
from unroll.runs.folder import RunFolder
from unroll.trained.evaluate import evaluate
from unroll.trained.predict import predict
from unroll.training import checkpoints
from unroll.training.refit import refit_values
from unroll.training.run import run

WINDOWS = {"id": "id", "target": "load", "features": "wind", "time": "time", "window": 8, "horizon": 3}


def trained(folder, *overrides):
    values = check(compose([*overrides, "logger=csv", "trainer.log_every=1", "model.hidden_size=8"]), CONF)
    values.pop("sweep")
    return run({**values, "run_dir": str(folder)})


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run whose rate changes before it is best, and which gets worse after that."""
    place = tmp_path_factory.mktemp("refit")
    table = series_table()
    table["load"] += 20 * np.sin(np.arange(len(table)) / 2)
    file = write(place, "series.csv", table.to_csv(index=False))
    given = [f"data.{key}={value}" for key, value in WINDOWS.items()]
    falling = ("scheduler=cosine", "optimizer.lr=0.05")
    given += ["data.scaling=training", "model.quantiles=[0.1,0.5,0.9]"]
    trained(place / "run", "data=series", f"data.path={file}", *given, *falling, "trainer.max_epochs=12")
    return place / "run", file


def checked(folder):
    found, values, results = _checked(folder)
    return refit_values(found, values, results)


def rates(folder):
    """The learning rate at each step."""
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["lr-Adam"]]
    return {int(row["step"]): float(row["lr-Adam"]) for row in rows}


def weights(folder, name):
    return checkpoints.read(folder / "checkpoints" / name)["state_dict"]


def test_a_refit_learns_from_all_for_as_long_as_was_best(original):
    folder, file = original
    best = checkpoints.read(folder / "checkpoints" / "best.ckpt")
    values = checked(folder)
    outcome = run(values)
    again = folder.with_name("run-refit")
    results = json.loads((folder / "results.json").read_text())
    assert outcome["steps"] == best["global_step"] < results["steps"]
    assert outcome["sizes"]["train"] == sum(results["sizes"].values())
    assert outcome["test"] == outcome["valid"] == outcome["best"] == {}
    assert "no test of its own" in outcome["verdict"]
    before, after = rates(folder), rates(again)
    assert after == {step: rate for step, rate in before.items() if step in after}
    assert max(after) == best["global_step"] - 1
    assert any(one != other for one, other in pairwise(after.values())), "the test tells of no changing rate"
    written = yaml.safe_load((again / "config.yaml").read_text())
    assert written["refit"]["run"] == str(folder)
    offsets = weights(folder, "best.ckpt")["target.quantiles.offsets"]
    assert offsets.any()
    assert torch.equal(weights(again, "last.ckpt")["target.quantiles.offsets"], offsets)
    model = checkpoints.load(again)
    rows = list(csv.DictReader(predict(model, again, file=file).splitlines()))
    assert len(rows) == 2 * 3
    with pytest.raises(InputError, match="learned from all of its data, and none are left"):
        evaluate(model, again)
    with pytest.raises(InputError, match="has learned from all of its data already"):
        checked(again)


class Falls(pl.Callback):
    """Ends a run by an error after some steps."""

    def on_train_batch_end(self, trainer, *others):
        if trainer.global_step == 5:
            raise RuntimeError("fallen")


def test_a_refit_that_falls_goes_on_to_the_same_bits(original):
    folder, _ = original
    values = checked(folder)
    values["trainer"]["checkpoint_every_steps"] = 2
    whole, fallen = (values | {"run_dir": str(folder.with_name(name))} for name in ("whole", "fallen"))
    run(whole)
    with pytest.raises(RuntimeError, match="fallen"):
        run(fallen, callbacks=[Falls()])
    place = folder.with_name("fallen")
    run(plain_values(RunFolder(place), "resume"), run_dir=place, resume=True)
    first, second = (weights(folder.with_name(name), "last.ckpt") for name in ("whole", "fallen"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_all_sequences_are_trained_on_and_the_spec_stays(original):
    data = data_in(original[1], "series", **WINDOWS)
    whole = build_data(data.config, 1, everything=True)
    assert whole.spec == data.spec
    parts = [sample for split in ("train", "valid", "test") for sample in data.splits[split]]
    joined = list(whole.splits["train"])
    assert [sample.index for sample in joined] == list(range(len(parts)))
    assert all(torch.equal(one.inputs, other.inputs) for one, other in zip(joined, parts, strict=True))
    assert [sample.index for sample in whole.splits["train"].samples[1:3]] == [1, 2]
    with pytest.raises(IndexError):
        _ = whole.splits["train"][len(parts)]


def test_what_cannot_be_done_once_more_is_told_in_one_line(original, tmp_path):
    folder, _ = original
    few = ("data.train_size=20", "data.valid_size=5", "data.test_size=5", "trainer.max_epochs=1")
    trained(tmp_path / "drawn", "model=many_to_one", *few)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.yaml", "results.json"):
        (copy / name).write_bytes((folder / name).read_bytes())
    for place, told in {
        tmp_path / "drawn": "learned from data that are drawn (data.name=sine)",
        copy: "has no best checkpoint",
        tmp_path / "nothing": "no such folder",
    }.items():
        with pytest.raises(InputError) as caught:
            checked(place)
        require_one_line(caught.value, f"{place}: {told}")
    (copy / "results.json").unlink()
    with pytest.raises(InputError, match="has not finished; continue it with `unroll resume"):
        checked(copy)


def test_a_piecewise_rate_changes_at_its_steps():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    config = from_dict("scheduler", {"name": "piecewise", "steps": [2, 3], "factors": [0.5, 0.1]})
    scheduler = build(config, optimizer, 100, "min")
    found = []
    for _ in range(5):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert found == pytest.approx([2.0, 2.0, 1.0, 0.2, 0.2])
    for wrong in (
        {"steps": [3, 2], "factors": [1, 1]},
        {"steps": [1], "factors": []},
        {"steps": [0], "factors": [1]},
    ):
        with pytest.raises(InputError, match=r"^scheduler\.(steps|factors)="):
            from_dict("scheduler", {"name": "piecewise", **wrong})
