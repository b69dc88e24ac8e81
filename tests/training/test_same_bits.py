"""The same seed on the same machine: the same bits, however the data are loaded; what else they depend on."""

import csv
import json
import os
from functools import partial

import pytest
import torch
from conftest import ROOT
from hydra import compose, initialize_config_dir

from unroll.config import compose as root
from unroll.errors import MissingEnvironmentError
from unroll.nn.cells.lstm import LSTM
from unroll.nn.optimizers.groups import parameter_groups
from unroll.training.environment import ONE_BUFFER_WORKSPACE, WORKSPACE_VARIABLE, deterministic
from unroll.training.processes.rank import RUN_DIR_VARIABLE
from unroll.training.run import run

CONF = ROOT / "conf"

SMALL = [
    "model.hidden_size=8",
    "model.dropout=0.3",
    "trainer.max_epochs=2",
    "logger=csv",
    "data.batch_size=8",
]
SIZES = ["data.train_size=40", "data.valid_size=10", "data.test_size=10"]
MODELS = {
    "sampling": ["model=seq2seq", "data=copy", "model.teacher_forcing.ratio=0.5"],
    "values": ["model=many_to_one", "model/cell=lstm", "model.num_layers=2", "trainer.accumulate=3"],
    "segments": ["model=many_to_many", "model/cell=min_gru", "trainer.truncate_steps=10"],
}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Runs in this process, and tells what came of it: every number that does not count seconds."""

    def start(name, *overrides):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv(RUN_DIR_VARIABLE, "")
        root.register()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = compose("train", [*SMALL, *SIZES, f"run_dir={name}", *overrides])
        outcome = run(root.check(composed, CONF))
        folder = tmp_path / name
        with (folder / "metrics.csv").open() as file:
            history = list(csv.DictReader(file))
        checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        weights = checkpoint["state_dict"], checkpoint["optimizer_states"][0]["state"]
        return {"test": outcome["test"], "valid": outcome["valid"], "history": history, "weights": weights}

    return start


def same(one, other):
    """Whether two structures of tensors and plain values are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_any_number_of_workers_gives_the_same_bits(model, train):
    alone = train("none", *model)
    for workers in (0, 1, 2):
        assert same(alone, train(f"workers{workers}", *model, f"data.workers={workers}"))
    another = train("another", *model, "seed=2")
    assert not same(alone["weights"], another["weights"])


ADAMW = [*MODELS["values"], "optimizer=adamw", "trainer.log_every=1"]


def test_a_run_with_groups_of_parameters_goes_on_with_the_same_bits(train, tmp_path):
    whole = train("whole", *ADAMW)
    train("first", *ADAMW, "trainer.max_epochs=1")
    assert same(whole["weights"], train("rest", *ADAMW, "ckpt_path=first/checkpoints/last.ckpt")["weights"])
    checkpoint = torch.load(tmp_path / "rest" / "checkpoints" / "last.ckpt", weights_only=True)
    assert [group["weight_decay"] for group in checkpoint["optimizer_states"][0]["param_groups"]] == [0.01, 0]
    rates = [column for column in whole["history"][0] if column.startswith("lr")]
    assert rates == ["lr-AdamW"]


def test_a_run_from_before_there_were_groups_goes_on_with_one(train, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("unroll.models.base.parameter_groups", partial(parameter_groups, apart=False))
        whole = train("whole", *ADAMW)
        train("first", *ADAMW, "trainer.max_epochs=1")
    assert same(whole["weights"], train("rest", *ADAMW, "ckpt_path=first/checkpoints/last.ckpt")["weights"])
    assert not same(whole["weights"], train("new", *ADAMW)["weights"])


def test_parameters_that_learn_slower_have_a_column_of_their_own(train, monkeypatch):
    monkeypatch.setattr(LSTM, "lr_scale", {"weight_hh": 0.1})
    rates = train("run", *ADAMW)["history"][0]
    assert {name for name in rates if name.startswith("lr")} == {"lr-AdamW", "lr-AdamW/0.1"}
    assert float(rates["lr-AdamW/0.1"]) == pytest.approx(float(rates["lr-AdamW"]) / 10)


def test_a_run_says_what_its_bits_depend_on(train, tmp_path, monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    train("plain", *MODELS["values"], "trainer.max_epochs=1")
    found = json.loads((tmp_path / "plain" / "environment.json").read_text())
    assert found["packages"]["torch"] == torch.__version__
    assert found["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert found["cpu"]
    assert (found["threads"], found["processes"], found["strategy"]) == (1, 1, "auto")
    assert found["precision"] == "32-true"
    assert found["deterministic"] is False
    assert found["variables"]["MKL_CBWR"] == "COMPATIBLE"
    assert WORKSPACE_VARIABLE not in found["variables"]


def test_deterministic_runs_say_so_and_leave_the_process_as_it_was(train, tmp_path, monkeypatch):
    monkeypatch.setenv(WORKSPACE_VARIABLE, ":4096:2:16:8")
    for name, model in MODELS.items():
        train(name, *model, "trainer.max_epochs=1", "trainer.deterministic=true")
        found = json.loads((tmp_path / name / "environment.json").read_text())
        assert found["deterministic"] is True
        assert found["variables"][WORKSPACE_VARIABLE] == ONE_BUFFER_WORKSPACE
        assert not torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.deterministic


def test_the_workspace_is_set_before_a_gpu_is_used(monkeypatch):
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    with deterministic(True):
        assert os.environ[WORKSPACE_VARIABLE] == ONE_BUFFER_WORKSPACE
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
    monkeypatch.delenv(WORKSPACE_VARIABLE)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    before = pytest.raises(MissingEnvironmentError, match="this process has used a GPU before; set CUBLAS")
    with before, deterministic(True):
        pass
    with deterministic(False):
        assert WORKSPACE_VARIABLE not in os.environ


def test_what_cannot_be_computed_so_is_told_in_one_line():
    def put():
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))

    put()
    cannot = pytest.raises(MissingEnvironmentError, match="torch has no deterministic put_ on this device")
    with cannot, deterministic(True):
        put()
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="something else"), deterministic(True):
        raise RuntimeError("something else")


def test_a_run_tells_its_folder_to_no_program_that_is_started_after_it(train):
    train("run")
    assert RUN_DIR_VARIABLE not in os.environ
