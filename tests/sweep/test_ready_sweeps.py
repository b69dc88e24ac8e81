"""Every sweep in conf/sweep: all its trials are right, and its first and last run."""

import math
import re

import pytest
from helpers import finite
from hydra import initialize_config_dir
from sweeps import commands_of

from unroll.config import compose as root
from unroll.training.processes.rank import RUN_DIR_VARIABLE
from unroll.training.run import run

ALL = sorted(set(root.choices(root.CONF, "sweep")) - {"grid", "optuna"})
OF_TASKS = [name for name in ALL if "override /task:" in (root.CONF / "sweep" / f"{name}.yaml").read_text()]
READY = sorted(set(ALL) - set(OF_TASKS))
FAST = ["debug=fast", "logger=none", "data.train_size=64", "data.valid_size=16", "data.test_size=16"]


@pytest.mark.parametrize("name", READY)
def test_a_ready_sweep_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RUN_DIR_VARIABLE, "")
    root.register()
    written = (root.CONF / "sweep" / f"{name}.yaml").read_text()
    with initialize_config_dir(str(root.CONF), version_base="1.3"):
        composed = root.hydra.compose("train", [f"sweep={name}", "run_dir=x"], return_hydra_config=True)
        assert composed.hydra.mode.name == "MULTIRUN"
        space, commands = commands_of(f"sweep={name}", *FAST, axes=dict(composed.sweep.search_space))
        values = [commands.values(commands.overrides(varied, 0)) for varied in space.combinations()]
    assert len(values) == int(re.search(r" (\d+) runs", written)[1])
    for number in (0, -1):
        outcome = run({**values[number], "run_dir": str(tmp_path / f"run{number}")})
        assert finite(outcome["test"])
        assert outcome["valid"].keys() >= outcome["monitor"].keys()


@pytest.mark.parametrize("name", OF_TASKS)
def test_a_sweep_of_tasks_names_what_exists(name):
    """Each task and each architecture is composed by a test of its own."""
    root.register()
    with initialize_config_dir(str(root.CONF), version_base="1.3"):
        composed = root.hydra.compose("train", [f"sweep={name}", "run_dir=x"], return_hydra_config=True)
    assert composed.hydra.mode.name == "MULTIRUN"
    assert composed.sweep.name == name
    axes = {key: value.split(",") for key, value in composed.sweep.search_space.items()}
    names = list(axes)
    assert names[:3] == ["seed", "task", "architecture"]  # an interrupted sweep has whole tables
    assert names[3:] in ([], ["optimizer.lr"])  # of which the scoreboard takes the better
    assert set(axes["task"]) <= set(root.choices(root.CONF, "task"))
    assert set(axes["architecture"]) <= set(root.choices(root.CONF, "architecture"))
    written = (root.CONF / "sweep" / f"{name}.yaml").read_text()
    assert math.prod(map(len, axes.values())) == int(re.search(r" (\d+) runs", written)[1])


def test_cells_are_compared_at_one_size(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(RUN_DIR_VARIABLE, "")
    root.register()
    with initialize_config_dir(str(root.CONF), version_base="1.3"):
        cells = ("rnn", "lstm", "min_gru")
        _, commands = commands_of("sweep=cells", *FAST)
        configs = [
            commands.values(["sweep=cells", *FAST, f"model/cell={cell}", "run_dir=x"]) for cell in cells
        ]
    sizes = [
        run({**config, "run_dir": cell})["parameters"] for cell, config in zip(cells, configs, strict=True)
    ]
    assert all(9_000 < size <= 10_000 for size in sizes)
