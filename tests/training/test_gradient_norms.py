"""Gradient norms written while a model learns, which must not change how it learns."""

import copy

import kills
import pandas as pd
import pytest
import torch
from kills import At

from unroll.errors import InputError
from unroll.inspect.gradients import gradient_flow
from unroll.runs.folder import RunFolder
from unroll.training.gradient_norms import GradientNorms
from unroll.training.run import run

SMALL = (
    *("logger=csv", "data.train_size=64", "data.valid_size=8", "data.test_size=8", "data.batch_size=16"),
    *("model.hidden_size=8", "trainer.max_epochs=2", "trainer.accelerator=cpu"),
)
"""8 steps of training."""

LOGGED = "trainer.log_gradients_every=3"

WAYS = {
    **{model: (f"model={model}",) for model in ("many_to_one", "many_to_many", "one_to_many")},
    "front_end": ("model=timestep_conv", "model/cell=lstm", "model.dropout=0.3", "model.bidirectional=true"),
    "draws": ("model=seq2seq", "model.teacher_forcing.ratio=0.5", "model.dropout=0.3"),
    "values": ("model=seq2seq_continuous", "trainer.accumulate=2"),
    "truncated": ("model=many_to_many", "trainer.truncate_steps=10", "model.num_layers=2"),
    "checkpointed": ("model=many_to_one", "model/cell=min_gru", "model.checkpoint_steps=-1"),
    "double": ("model=many_to_one", "trainer.precision=64-true"),
    "mixed": ("model=many_to_one", "trainer.precision=bf16-mixed"),
}


def values_of(run_dir, *overrides):
    return {**kills.values_of(*SMALL, *overrides), "run_dir": run_dir}


def weights(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("overrides", WAYS.values(), ids=WAYS)
def test_training_is_the_same_to_the_bit(overrides, tmp_path):
    kills.finished(values_of("plain", *overrides), tmp_path)
    kills.finished(values_of("logged", *overrides, LOGGED), tmp_path)
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "logged"))
    rows = pd.read_csv(tmp_path / "logged" / "gradients.csv")
    steps = torch.load(tmp_path / "logged" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert list(rows["optimizer_step"].unique()) == list(range(0, steps, 3))
    assert (rows["norm"] > 0).any()
    assert rows["norm"].notna().all()
    assert not rows.duplicated(["optimizer_step", "cell", "state", "step"]).any()
    assert (tmp_path / "logged" / "gradients.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "plain" / "gradients.csv").exists()


class Spy(GradientNorms):
    """Keeps what is there when norms are about to be written."""

    kept = None

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            self.kept = copy.deepcopy(pl_module.state_dict()), batch
            self.model = pl_module


def test_the_norms_are_those_of_the_weights_and_the_batch_of_their_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spy = Spy(1, RunFolder(tmp_path))
    run(values_of("run", "model=many_to_one", "model/cell=lstm", LOGGED), callbacks=[spy])
    state, batch = spy.kept
    spy.model.load_state_dict(state)
    expected = gradient_flow({"": spy.model.train()}, lambda model: model.loss(batch)).frame()
    rows = pd.read_csv(tmp_path / "run" / "gradients.csv")
    found = rows[rows["optimizer_step"] == 3]
    assert found["norm"].to_numpy() == pytest.approx(expected["norm"].to_numpy(), rel=1e-5)
    assert list(found["state"]) == list(expected["state"])


def test_a_run_that_goes_on_writes_each_step_once(tmp_path):
    overrides = ("model=many_to_one", "trainer.log_gradients_every=1", "trainer.checkpoint_every_steps=2")
    kills.finished(values_of("whole", *overrides), tmp_path)
    kills.killed(values_of("killed", *overrides), tmp_path, At("on_train_batch_end", 6))
    with (tmp_path / "killed" / "gradients.csv").open("a") as file:
        file.write("1")  # torn: the beginning of step 1234567
    kills.finished(values_of("killed", *overrides), tmp_path, resume=True)
    whole, killed = ((tmp_path / name / "gradients.csv").read_text() for name in ("whole", "killed"))
    assert killed == whole


def test_of_two_processes_the_first_writes_and_neither_waits_for_the_other(tmp_path):
    two = ("trainer.devices=2", "trainer.strategy=ddp", "data.batch_size=8")
    assert not any(kills.run_two(values_of("run", "model=many_to_one", *two, LOGGED), tmp_path))
    rows = pd.read_csv(tmp_path / "run" / "gradients.csv")
    assert list(rows["optimizer_step"].unique()) == [0, 3, 6]
    assert not rows.duplicated(["optimizer_step", "cell", "state", "step"]).any()


def test_pictures_are_on_the_dashboard(tmp_path):
    kills.finished(values_of("run", "model=many_to_one", LOGGED, "logger=wandb"), tmp_path)
    media = tmp_path.glob("outputs/wandb/offline-run-*/files/media/images/train/gradients_*.png")
    assert len({picture.read_bytes() for picture in media}) == 3


def test_mistakes_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"trainer\.log_gradients_every=0: must be 1 or more, or null"):
        values_of("run", "trainer.log_gradients_every=0")
    with pytest.raises(InputError, match=r"trainer\.log_gradients_every=3: the model has no recurrence"):
        run(values_of("run", "model=timestep_mlp", "model.num_layers=0", LOGGED))
