"""On a real SLURM of one node: `make test-slow` as root. See scripts/slurm.sh."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import kills
import pytest
from conftest import ROOT

from unroll.runs import checkpoints

pytestmark = pytest.mark.slow

SMALL = [
    "model=many_to_one",
    "model.hidden_size=8",
    "data.train_size=256",
    "logger=csv",
    "trainer.max_epochs=1",
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment for SLURM's commands."""
    folder = tmp_path_factory.mktemp("slurm")
    script = ["sh", str(ROOT / "scripts" / "slurm.sh")]
    done = subprocess.run([*script, "start", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())
    yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    subprocess.run([*script, "stop", str(folder)], check=True)


def command(slurm, folder, *arguments):
    return subprocess.run(
        arguments, env=slurm, cwd=folder, capture_output=True, text=True, check=False, timeout=400
    )


def submitted(slurm, folder, *options, python):
    """A batch job that runs train.py; its number."""
    script = folder / "job.sh"
    script.write_text(f"#!/bin/sh\n{python}\n")
    done = command(slurm, folder, "sbatch", "--parsable", *options, str(script))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait(slurm, folder, job, until=("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"), seconds=300):
    """The state in which a job ends, and how often it was started again: each time at once.

    A job that is being requeued may look as if it had failed for a moment.
    """
    end = time.monotonic() + seconds
    shown: dict[str, str] = {}
    before = None
    while time.monotonic() < end:
        words = command(slurm, folder, "scontrol", "show", "job", job).stdout.split()
        shown = dict(word.split("=", 1) for word in words if "=" in word)
        seen = shown["JobState"], int(shown["Restarts"])
        if shown["JobState"] in until and (seen == before or "FAILED" not in until):
            return seen
        before = seen
        if shown["JobState"] == "PENDING" and shown["Restarts"] != "0":  # SLURM would wait for two minutes
            command(slurm, folder, "scontrol", "update", f"JobId={job}", "StartTime=now")
        time.sleep(3)
    raise AssertionError(f"job {job} is still {shown} after {seconds} s\n{output(folder, job)}")


def results(run):
    return json.loads((run / "results.json").read_text())


def train_line(*overrides):
    return " ".join([sys.executable, str(ROOT / "train.py"), *overrides])


def test_a_sweep_through_submitit(slurm, tmp_path):
    done = command(
        slurm,
        tmp_path,
        *(sys.executable, str(ROOT / "train.py"), "-m", *SMALL, "sweep.name=cells"),
        *("model/cell=rnn,gru", "hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=null"),
        *("hydra.launcher.timeout_min=5", "hydra.launcher.cpus_per_task=1"),
    )
    assert done.returncode == 0, done.stderr
    runs = [tmp_path / "outputs" / "sweeps" / "cells" / number for number in ("0000", "0001")]
    assert all(results(run)["steps"] == 4 for run in runs)
    assert "name: rnn" in (runs[0] / "config.yaml").read_text()
    assert "name: gru" in (runs[1] / "config.yaml").read_text()


TWO = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.accelerator=cpu"]


def test_a_sweep_through_submitit_of_trials_with_two_tasks(slurm, tmp_path):
    launcher = ["hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=null", "hydra.launcher.timeout_min=5"]
    done = command(
        slurm,
        tmp_path,
        *(
            sys.executable,
            str(ROOT / "train.py"),
            "-m",
            *SMALL,
            *TWO,
            "sweep.name=lr",
            "optimizer.lr=1e-3,1e-2",
        ),
        *(*launcher, "hydra.launcher.cpus_per_task=1", "hydra.launcher.tasks_per_node=2"),
    )
    assert done.returncode == 0, done.stderr
    for number in ("0000", "0001"):
        run = tmp_path / "outputs" / "sweeps" / "lr" / number
        assert results(run)["steps"] == 2
        assert json.loads((run / "environment.json").read_text())["processes"] == 2


@pytest.mark.parametrize("srun", ["srun --kill-on-bad-exit=1", ""])
def test_two_tasks_of_one_run(srun, slurm, tmp_path):
    """Without srun the run starts the second itself. The folder is there already: they share the next."""
    (tmp_path / "two").mkdir()
    line = train_line(*SMALL, *TWO, "data.batch_size=32", "optimizer=sgd", "run_dir=two")
    job = submitted(slurm, tmp_path, "--ntasks=2", python=f"{srun} {line}")
    assert wait(slurm, tmp_path, job) == ("COMPLETED", 0), output(tmp_path, job)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["two", "two-2"]
    assert list((tmp_path / "two").iterdir()) == []
    alone = train_line(*SMALL, "trainer.accelerator=cpu", "optimizer=sgd", "run_dir=one").split()
    assert command(slurm, tmp_path, *alone).returncode == 0
    one, both = results(tmp_path / "one"), results(tmp_path / "two-2")
    assert both["steps"] == one["steps"]
    assert both["test"] == pytest.approx(one["test"], rel=1e-3)


LONG = [
    *("model=many_to_one", "model.hidden_size=16", "logger=csv", "trainer.max_epochs=1000"),
    *("data.train_size=640", "trainer.max_steps=6000"),
]


@pytest.mark.parametrize("tasks", [1, 2])
def test_a_job_that_runs_out_of_time_is_requeued_and_goes_on(tasks, slurm, tmp_path):
    """SLURM's shortest limit is a minute; it sends USR1 up to half a minute before it is to."""
    several = [*TWO, "data.batch_size=32", "trainer.max_steps=2000"] if tasks == 2 else []
    line = f"exec srun --kill-on-bad-exit=1 {train_line(*LONG, *several, 'run_dir=run')}"
    options = ["--time=1", "--signal=USR1@1", "--requeue", f"--ntasks={tasks}"]
    job = submitted(slurm, tmp_path, *options, python=line)
    state, restarts = wait(slurm, tmp_path, job, seconds=900)
    assert state == "COMPLETED", output(tmp_path, job)
    log = (tmp_path / "run" / "run.log").read_text()
    assert log.count("is requeued, and will go on from there") == restarts >= 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["run"]
    whole = train_line(*LONG, *several, "run_dir=whole").split()
    assert command(slurm, tmp_path, *whole).returncode == 0
    assert not kills.differences(kills.left(tmp_path / "whole"), kills.left(tmp_path / "run"))


def test_a_cancelled_job_is_saved_and_not_requeued(slurm, tmp_path):
    line = f"exec srun {train_line(*LONG, 'run_dir=run')}"
    job = submitted(slurm, tmp_path, "--requeue", python=line)
    log = tmp_path / "run" / "run.log"
    while not (log.exists() and "epoch 2/" in log.read_text()):
        assert wait(slurm, tmp_path, job, until=("PENDING", "RUNNING"))[1] == 0
        time.sleep(0.5)
    assert command(slurm, tmp_path, "scancel", job).returncode == 0
    assert wait(slurm, tmp_path, job) == ("CANCELLED", 0)
    while "stopped by SIGTERM after step" not in output(tmp_path, job):  # the job's state is the earlier one
        time.sleep(0.5)
    assert "requeued" not in output(tmp_path, job)
    assert checkpoints.is_whole(tmp_path / "run" / "checkpoints" / "last.ckpt")


def output(folder, job):
    return Path(folder / f"slurm-{job}.out").read_text()
