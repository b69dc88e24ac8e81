"""The files of docs/clusters.md on a real SLURM of two nodes, as root. See scripts/slurm.sh."""

import json
import os
import re
import subprocess
import sys

import kills
import pytest
from conftest import ROOT
from test_slurm import command, output, results, wait

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`(\w+\.sh)`.*?```sh\n(.*?)```", DOCUMENT, re.DOTALL))
SMALL = (
    *("model=many_to_one", "model.hidden_size=8", "data.train_size=256", "logger=csv", "optimizer=sgd"),
    *("data.batch_size=32", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment for SLURM's commands: `python` is this one, and no name of a node is resolved."""
    folder = tmp_path_factory.mktemp("slurm")
    script = ["sh", str(ROOT / "scripts" / "slurm.sh")]
    done = subprocess.run([*script, "start", str(folder), "2"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    yield {
        **os.environ,
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": path,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": kills.of_two()["MASTER_PORT"],
    }
    subprocess.run([*script, "stop", str(folder)], check=True)


def submit(slurm, folder, name, *words, options=()):
    """A job of a file of the document, as a person submits it beside train.py; its number."""
    (folder / name).write_text(FILES[name])
    if not (folder / "train.py").exists():
        (folder / "train.py").symlink_to(ROOT / "train.py")
    done = command(slurm, folder, "sbatch", "--parsable", *options, name, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_document_has_the_files():
    assert list(FILES) == ["node.sh", "nodes.sh", "sweep.sh", "agent.sh"]


@pytest.mark.parametrize(("name", "nodes"), [("node.sh", 1), ("nodes.sh", 2)])
def test_a_run_on_one_node_or_two(name, nodes, slurm, tmp_path):
    job = submit(slurm, tmp_path, name, *SMALL, "run_dir=run")
    assert wait(slurm, tmp_path, job) == ("COMPLETED", 0), output(tmp_path, job)
    recorded = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert (recorded["processes"], recorded["nodes"]) == (2, nodes)
    alone = [sys.executable, "train.py", *SMALL, "data.batch_size=64", "run_dir=one"]
    assert command(slurm, tmp_path, *alone).returncode == 0
    one, both = results(tmp_path / "one"), results(tmp_path / "run")
    assert both["steps"] == one["steps"] == 4
    assert both["test"] == pytest.approx(one["test"], rel=1e-3)


def test_a_job_of_two_nodes_that_runs_out_of_time_goes_on_to_the_same_bits(slurm, tmp_path):
    """SLURM's shortest limit is a minute; it sends USR1 up to half a minute before it is to."""
    long = [*SMALL, "data.train_size=640", "trainer.max_epochs=1000", "trainer.max_steps=2000"]
    options = ["--time=1", "--signal=USR1@1", "--requeue"]
    job = submit(slurm, tmp_path, "nodes.sh", *long, "run_dir=run", options=options)
    state, restarts = wait(slurm, tmp_path, job, seconds=900)
    assert state == "COMPLETED", output(tmp_path, job)
    log = (tmp_path / "run" / "run.log").read_text()
    assert log.count("is requeued, and will go on from there") == restarts >= 1
    job = submit(slurm, tmp_path, "nodes.sh", *long, "run_dir=whole")
    assert wait(slurm, tmp_path, job, seconds=900) == ("COMPLETED", 0), output(tmp_path, job)
    assert not kills.differences(kills.left(tmp_path / "whole"), kills.left(tmp_path / "run"))


def test_a_sweep_whose_trials_take_two_nodes(slurm, tmp_path):
    (tmp_path / "sweep.sh").write_text(FILES["sweep.sh"])
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    # This machine tells SLURM nothing of its memory, and both trials would have the same MASTER_PORT.
    own = (
        "hydra.launcher.mem_gb=null",
        "hydra.launcher.cpus_per_task=1",
        "hydra.launcher.array_parallelism=1",
    )
    done = command(slurm, tmp_path, "sh", "sweep.sh", *SMALL, *own, "sweep.name=cells")
    assert done.returncode == 0, done.stderr
    for number in ("0000", "0001"):
        run = tmp_path / "outputs" / "sweeps" / "cells" / number
        assert results(run)["steps"] == 4
        assert json.loads((run / "environment.json").read_text())["nodes"] == 2


def test_tasks_that_the_run_does_not_want_are_told_of(slurm, tmp_path):
    job = submit(slurm, tmp_path, "nodes.sh", *SMALL, "run_dir=run", "trainer.num_nodes=1")
    assert wait(slurm, tmp_path, job) == ("FAILED", 0)
    told = [line for line in output(tmp_path, job).splitlines() if line.startswith("error: trainer")]
    message = "error: trainer.num_nodes=1 trainer.devices=1: srun has started 2 processes on 2 nodes; give"
    assert told
    assert all(line.startswith(message) for line in told)
