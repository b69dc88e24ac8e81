"""On a real SLURM of one node: `make test-slow` as root. See scripts/slurm.sh."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

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


def wait(slurm, folder, job, seconds=300):
    """The state in which a job ends."""
    end = time.monotonic() + seconds
    state = ""
    while time.monotonic() < end:
        shown = command(slurm, folder, "scontrol", "show", "job", job).stdout
        state = next((word for word in shown.split() if word.startswith("JobState=")), "")
        if state.removeprefix("JobState=") in ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"):
            return state.removeprefix("JobState=")
        time.sleep(1)
    raise AssertionError(f"job {job} is still {state} after {seconds} s")


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


def test_two_tasks_of_one_run(slurm, tmp_path):
    two = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.accelerator=cpu", "data.batch_size=32"]
    line = train_line(*SMALL, *two, "optimizer=sgd", "run_dir=two")
    job = submitted(slurm, tmp_path, "--ntasks=2", python=f"srun {line}")
    assert wait(slurm, tmp_path, job) == "COMPLETED", output(tmp_path, job)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["two"]
    alone = train_line(*SMALL, "trainer.accelerator=cpu", "optimizer=sgd", "run_dir=one").split()
    assert command(slurm, tmp_path, *alone).returncode == 0
    one, both = results(tmp_path / "one"), results(tmp_path / "two")
    assert both["steps"] == one["steps"]
    assert both["test"] == pytest.approx(one["test"], rel=1e-3)


def test_a_job_that_runs_out_of_time_is_requeued_and_goes_on(slurm, tmp_path):
    """SLURM's shortest limit is a minute; it sends USR1 before it is over."""
    long = ["model=many_to_one", "model.hidden_size=16", "logger=csv", "trainer.max_epochs=1000"]
    line = train_line(*long, "data.train_size=640", "trainer.max_steps=4000", "run_dir=run")
    job = submitted(slurm, tmp_path, "--time=1", "--signal=USR1@20", "--requeue", python=f"exec srun {line}")
    state = wait(slurm, tmp_path, job, seconds=600)
    log = (tmp_path / "run" / "run.log").read_text()
    assert state == "COMPLETED", output(tmp_path, job)
    assert "is requeued, and will go on from there" in log
    assert results(tmp_path / "run")["steps"] == 4000
    whole = train_line(*long, "data.train_size=640", "trainer.max_steps=4000", "run_dir=whole").split()
    assert command(slurm, tmp_path, *whole).returncode == 0
    assert results(tmp_path / "run")["test"] == results(tmp_path / "whole")["test"]


def output(folder, job):
    return Path(folder / f"slurm-{job}.out").read_text()
