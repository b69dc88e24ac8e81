"""Two processes of one run: what they measure together, and what becomes of one without the other."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import lightning.pytorch as pl
import pytest
import torch
from conftest import ROOT
from file_data import series_table, write
from kills import At
from troubled_rank import Trouble

from unroll.config import compose as root
from unroll.data.module import build_data
from unroll.errors import MissingEnvironmentError
from unroll.models.base import build_model
from unroll.runs.folder import RunFolder, as_yaml
from unroll.terminal import boundary
from unroll.training.bare_trainer import quiet
from unroll.training.fit import fit
from unroll.training.processes import slurm
from unroll.training.run import run

TWO = ("trainer.devices=2", "trainer.strategy=ddp", "trainer.accelerator=cpu")
MODELS = {
    "values": ("model=many_to_many",),
    "classes": ("model=many_to_one", "data=parity"),
    "tokens": ("model=seq2seq", "data=copy", "data.vocabulary_size=6", "data.max_length=4"),
    "shops": (
        *(
            "model=many_to_one",
            "data=series",
            "data.path=shops.csv",
            "data.target=load",
            "data.features=[wind]",
        ),
        *("data.id=id", "data.time=time", "data.window=8", "data.horizon=3", "data.season=4"),
    ),
}
SIZES = ("data.train_size=300", "data.valid_size=37", "data.test_size=41")
SMALL = (
    *("model=many_to_one", "model.hidden_size=8", "data.train_size=100", "data.valid_size=20"),
    *("data.test_size=21", "data.batch_size=8", "trainer.max_epochs=3", "logger=csv", *TWO),
)


def parts(name):
    """A model that has not learned, and its data."""
    sizes = () if name == "shops" else SIZES
    config = root.load(kills.values_of(*MODELS[name], "model.hidden_size=8", *sizes))
    torch.manual_seed(0)
    data = build_data(config.data, config.seed)
    return build_model(config.model, data.spec, config.optimizer, config.scheduler), data


def measure(model, data, devices):
    """The metrics of validation and test, and what the test reports."""
    model.eval()
    with quiet():
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=devices,
            strategy="ddp" if devices > 1 else "auto",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            use_distributed_sampler=False,
        )
        valid = trainer.validate(model, data, verbose=False)[0]
        test = trainer.test(model, data, verbose=False)[0]
    return json.loads(json.dumps({"metrics": {**valid, **test}, "report": model.test_details()}))


def measure_beside_another(folder, environment, rank):
    os.environ.update(environment, LOCAL_RANK=str(rank))
    torch.set_num_threads(1)
    for name in MODELS:
        model, data = parts(name)
        data.config.batch_size = 5
        model.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True))
        (folder / f"{name}_{rank}.json").write_text(json.dumps(measure(model, data, 2)))


def test_two_processes_measure_what_one_does(tmp_path, monkeypatch):
    """Splits of odd sizes, batches of other sizes, and every sequence counts as much."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "shops.csv", series_table(steps=131, ids=("a", "b", "c")).to_csv(index=False))
    expected = {}
    for name in MODELS:
        model, data = parts(name)
        if name == "tokens":  # some of it is to be right
            model.optimizer_config.lr = 0.02
            fit(model, data, 12)
        torch.save(model.state_dict(), tmp_path / f"{name}.pt")
        data.config.batch_size = 41
        expected[name] = measure(model, data, 1)
    assert 0 < expected["tokens"]["metrics"]["test/exact_match"] < 1
    assert 0 < expected["classes"]["metrics"]["test/accuracy"] < 1
    assert expected["classes"]["report"]["confusion"]
    assert kills.both(measure_beside_another, tmp_path) == [0, 0]
    for name, values in expected.items():
        for rank in (0, 1):
            found = json.loads((tmp_path / f"{name}_{rank}.json").read_text())
            assert found["metrics"] == pytest.approx(values["metrics"], rel=1e-4)
            report, expected_report = found["report"], dict(values["report"])
            r2 = expected_report.pop("r2_by_output", {})
            assert report.pop("r2_by_output", {}) == pytest.approx(r2, rel=1e-4)
            assert report == expected_report


def test_sequences_of_both_count_and_none_twice_after_a_kill(tmp_path):
    values = {**kills.values_of(*SMALL), "run_dir": "run"}
    at = At("on_train_batch_end", 10)
    assert kills.run_two(values, tmp_path, act=(at, signal.SIGKILL)) == [-signal.SIGKILL] * 2
    assert kills.run_two(values, tmp_path) == [0, 0], (tmp_path / "out").read_text()
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    counted = last["callbacks"]["Throughput"]
    lengths = build_data(root.load(values).data, values["seed"]).splits["train"].lengths
    assert counted["sequences"] == 3 * 100
    assert counted["tokens"] == 3 * sum(lengths)
    speed = RunFolder(tmp_path / "run").read_results()["tokens_per_second"]
    assert speed == pytest.approx(counted["tokens"] / counted["seconds"], rel=1e-3)


def run_with_trouble(values, folder, environment, rank):
    os.chdir(folder)
    os.environ.update(environment, LOCAL_RANK=str(rank), TROUBLE="nan", UNROLL_RUN_DIR=str(folder / "run"))
    opened = os.open(f"out{rank}", os.O_WRONLY | os.O_CREAT)
    os.dup2(opened, 2)
    with boundary():
        run(values, resume=True, callbacks=[Trouble()])


def test_a_nan_in_the_share_of_the_second_ends_both_and_names_its_samples(tmp_path):
    values = {**kills.values_of(*SMALL), "run_dir": "run"}
    (tmp_path / "run").mkdir()
    assert kills.both(run_with_trouble, values, tmp_path) == [4, 0]
    (line,) = (tmp_path / "out0").read_text().splitlines()
    assert (tmp_path / "out1").read_text() == ""
    assert line.startswith("error: train/loss=nan at step 4, of the training samples ")
    data = build_data(root.load(values).data, values["seed"])
    trainer = type("Trainer", (), {"global_rank": 1, "world_size": 2})()
    data.trainer = trainer
    batch = list(data.loader("train", shuffle=True).batch_sampler)[3]
    assert line.partition("samples ")[2].partition(";")[0] == ", ".join(map(str, batch))


def troubled(trouble, folder, *overrides):
    """A run of which the second process makes trouble."""
    command = [sys.executable, str(ROOT / "tests" / "troubled_rank.py"), *SMALL, "run_dir=run", *overrides]
    environment = {**os.environ, "TROUBLE": trouble}
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def running_in(folder):
    return [path for path in Path("/proc").glob("[0-9]*") if _folder_of(path) == str(folder)]


def _folder_of(process):
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


def test_a_killed_process_is_told_in_a_line_and_the_run_can_go_on(tmp_path):
    """And both have had one folder and one run on the dashboard."""
    done = troubled("kill", tmp_path, "logger=wandb")
    line = "process 2 of 2 was ended by SIGKILL; `unroll resume run` goes on from the last checkpoint"
    assert (done.returncode, done.stderr) == (1, f"error: {line}\n")
    time.sleep(1)  # W&B's own process
    assert running_in(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outputs", "run"]
    assert len(list((tmp_path / "outputs" / "wandb").glob("offline-run-*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "code", "last"),
    [
        ("raise", 1, "error: process 2 of 2 failed with exit code 1; `unroll resume run` goes on"),
        ("nan-valid", 4, "error: process 2 of 2 failed with exit code 4; `unroll resume run` goes on"),
        ("late", 1, "error: process 2 of 2 failed with exit code 9; `unroll resume run` goes on"),
        ("hang", 1, "error: process 2 of 2 failed with exit code 9; `unroll resume run` goes on"),
    ],
)
def test_one_that_fails_ends_the_run(trouble, code, last, tmp_path):
    done = troubled(trouble, tmp_path)
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert lines[-1].startswith(last)
    assert (trouble == "raise") == ("ValueError: no such luck" in lines)
    assert (trouble == "nan-valid") == lines[0].startswith("error: valid/loss=nan")
    assert not (tmp_path / "run" / "results.json").exists()
    assert running_in(tmp_path) == []
    go_on = [Path(sys.executable).with_name("unroll"), "resume", "run"]
    resumed = subprocess.run(go_on, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.slow
def test_the_second_does_not_outlive_the_first(tmp_path):
    done = troubled("kill-first", tmp_path)
    assert done.returncode == -signal.SIGKILL
    end = time.monotonic() + 15
    while running_in(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert done.stderr == ""


def test_tasks_of_srun_share_the_folder_of_this_start_of_this_job(tmp_path, monkeypatch):
    values = {"seed": 1}

    def start(job, restarts):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        monkeypatch.setenv("SLURM_STEP_ID", "0")
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)

    made = []
    for job in "12":
        start(job, "0")
        made.append(RunFolder.make(tmp_path / "run"))
        made[-1].config.write_text(as_yaml(values))
        slurm.mark(made[-1])
        assert slurm.run_dir_of_the_first(tmp_path / "run") == made[-1].path
    assert [folder.path for folder in made] == [tmp_path / "run", tmp_path / "run-2"]
    start("2", "1")
    assert slurm.find_run_dir(tmp_path / "run", values) == tmp_path / "run-2"  # the first is of another job
    assert slurm.find_run_dir(tmp_path / "run", {"seed": 2}) is None
    with pytest.raises(MissingEnvironmentError, match="srun's first task has made no folder"):
        slurm.run_dir_of_the_first(tmp_path / "run", wait_s=0.3)
    slurm.mark(RunFolder(tmp_path / "run-2"))
    assert slurm.run_dir_of_the_first(tmp_path / "run") == tmp_path / "run-2"
