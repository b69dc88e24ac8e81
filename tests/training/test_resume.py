"""A run that is killed, whenever it may be, and goes on ends with the very bits of one that never was."""

import csv
import json
import signal
import subprocess
import sys

import kills
import pytest
from click.testing import CliRunner
from commands import unroll
from kills import At

from unroll.cli.resume import resume
from unroll.errors import InputError

SMALL = (
    *("logger=csv", "data.train_size=120", "data.valid_size=40", "data.test_size=40", "data.batch_size=16"),
    *(
        "model.hidden_size=8",
        "trainer.log_every=2",
        "trainer.max_epochs=3",
        "trainer.checkpoint_every_steps=3",
    ),
)
"""24 steps of training, in epochs of 8."""

SAMPLING = ("model.teacher_forcing.ratio=0.5", "model.dropout=0.3")
LOADED = ("data.workers=2", "trainer.accumulate=3")
FALLING = ("scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.5")

RUNS = {
    (*SAMPLING, *LOADED, *FALLING): ("on_train_batch_end-14", "on_validation_batch_end-2", "written-3"),
    ("model=many_to_one", "model/cell=lstm", "scheduler=cosine"): ("on_train_epoch_end-2", "moved-4"),
    ("model=many_to_one", "model/cell=min_gru", "trainer.max_steps=19"): ("on_train_batch_end-9",),
    ("trainer.validate_every=0.5", *FALLING): ("on_train_batch_end-6", "on_validation_batch_end-2"),
    ("model=many_to_many", "trainer.truncate_steps=7", *LOADED): ("on_train_batch_end-20",),
    ("optimizer.lr=1e-30", "early_stopping.patience=1", "model.search.method=sample"): (
        "on_test_batch_end-1",
    ),
}
"""Overrides, and the moments at which such a run is killed, one after the other."""


@pytest.mark.parametrize("overrides", RUNS, ids=" ".join)
def test_a_run_that_is_killed_and_goes_on_ends_with_the_same_bits(overrides, tmp_path):
    whole, killed = values_of("whole", *overrides), values_of("killed", *overrides)
    kills.finished(whole, tmp_path)
    left = kills.left(tmp_path / "whole")
    for moment in RUNS[overrides]:
        event, _, number = moment.partition("-")
        folder = tmp_path / moment
        folder.mkdir()
        kills.killed(killed, folder, At(event, int(number)))
        kills.finished(killed, folder, resume=True)
        assert not kills.differences(left, kills.left(folder / "killed")), moment
        assert not kills.leftovers(folder / "killed")


def values_of(run_dir, *overrides):
    return {**kills.values_of(*SMALL, *overrides), "run_dir": run_dir}


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    values = values_of("whole", *SAMPLING)
    kills.finished(values, tmp_path)
    values = {**values, "run_dir": "killed"}
    kills.killed(values, tmp_path, At("on_train_batch_end", 2))  # before there is a checkpoint
    (tmp_path / "killed" / "checkpoints").mkdir()
    (tmp_path / "killed" / "checkpoints" / "best.ckpt.tmp").write_text("half of it")
    kills.killed(values, tmp_path, At("on_train_batch_end", 5), resume=True)
    kills.killed(values, tmp_path, At("moved", 1), resume=True)  # the last one is away, the new one not there
    assert not (tmp_path / "killed" / "checkpoints" / "last.ckpt").exists()
    kills.killed(values, tmp_path, At("on_validation_end", 1), resume=True)
    other = {**values, "model": {**values["model"], "hidden_size": 9}}
    assert kills.run(other, tmp_path, resume=True) == 2
    assert "last.ckpt: belongs to a run with another model" in (tmp_path / "out").read_text()
    assert "is missing; resuming from the checkpoint before it" in (tmp_path / "out").read_text()
    kills.finished(values, tmp_path, resume=True)
    assert not kills.differences(kills.left(tmp_path / "whole"), kills.left(tmp_path / "killed"))
    assert not kills.leftovers(tmp_path / "killed")


def values_of_two(run_dir):
    overrides = ("trainer.devices=2", "trainer.strategy=ddp", "trainer.accelerator=cpu", "data.batch_size=8")
    return values_of(run_dir, *SAMPLING, *overrides)


def test_two_processes_go_on_to_the_same_bits_killed_or_stopped(tmp_path):
    assert kills.run_two(values_of_two("whole"), tmp_path) == [0, 0], (tmp_path / "out").read_text()
    at = At("on_train_batch_end", 7)
    killed = values_of_two("killed")
    assert kills.run_two(killed, tmp_path, act=(at, signal.SIGKILL)) == [-signal.SIGKILL] * 2
    # The second alone gets the signal; they agree, and the first says so.
    assert kills.run_two(killed, tmp_path, act=(at, signal.SIGTERM), ranks="1") == [75, 0]
    assert (tmp_path / "out").read_text().count("stopped by SIGTERM after step 13") == 1
    at = At("on_validation_batch_start", 1)
    assert kills.run_two(killed, tmp_path, act=(at, signal.SIGTERM), ranks="1") == [75, 0]
    assert kills.run_two(killed, tmp_path) == [0, 0], (tmp_path / "out").read_text()
    assert not kills.differences(kills.left(tmp_path / "whole"), kills.left(tmp_path / "killed"))


def test_unroll_resume_goes_on_once(tmp_path):
    values = values_of("run", *SAMPLING)
    kills.killed(values, tmp_path, At("on_train_batch_end", 13))
    done = unroll("resume", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "run    run, on from step 11" in done.stdout
    kills.finished({**values, "run_dir": "whole"}, tmp_path)
    left = [kills.left(tmp_path / run) for run in ("whole", "run")]
    assert not kills.differences(*left)
    again = unroll("resume", "run", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith("error: run: has finished")
    assert again.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "config.yaml: no such file"),
        ("- 1", "holds no keys"),
        ("a: &a [1]\nb: *a", "config.yaml:2: holds the alias *a"),
        ("run_dir: !!python/object/apply:os.getcwd []", "names code to run"),
        ("seed: ${oc.env:HOME}", "holds ${"),
        ("seed: REDACTED", "holds REDACTED"),
        ("seeed: 1", "did you mean 'seed'"),
    ],
)
def test_a_config_that_is_no_runs_is_told(content, message, tmp_path):
    if content is not None:
        (tmp_path / "config.yaml").write_text(content)
    done = CliRunner().invoke(resume, [str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_a_run_goes_on_in_another_folder_from_the_middle_of_an_epoch(tmp_path):
    """Its steps ended there; given more, it ends as one that had them from the beginning."""
    whole, part = values_of("whole", *SAMPLING), values_of("part", *SAMPLING, "trainer.max_steps=11")
    more = {**whole, "run_dir": "more", "ckpt_path": "part/checkpoints/last.ckpt"}
    for values in (whole, part, more):
        kills.finished(values, tmp_path)
    left = [kills.left(tmp_path / run)["last.ckpt"] for run in ("whole", "more")]
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
        assert not kills.differences(left[0][part], left[1][part])
    others = values_of("others", "data.batch_size=8")
    others["ckpt_path"] = more["ckpt_path"]
    assert kills.run(others, tmp_path) == 2
    assert "error: data.batch_size=8: was 16 in the run to go on from" in (tmp_path / "out").read_text()


def test_a_wandb_run_goes_on_under_its_id_with_all_of_its_curves(tmp_path):
    values = values_of("run", "logger=wandb")
    kills.killed(values, tmp_path, At("on_train_batch_end", 21))
    (first,) = (tmp_path / "outputs" / "wandb").glob("offline-run-*")
    kills.finished(values, tmp_path, resume=True)
    (second,) = (tmp_path / "outputs" / "wandb").glob("offline-run-*")
    assert second.name.rpartition("-")[2] == first.name.rpartition("-")[2]
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *second.glob("*.wandb")]
    records = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.splitlines()
    items = [record["history"]["item"] for record in map(json.loads, records) if "history" in record]
    logged = [item["train/loss"] for item in items if "train/loss" in item]
    assert logged == [pytest.approx(float(row["train/loss"])) for row in rows]
