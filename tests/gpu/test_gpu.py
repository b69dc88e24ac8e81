"""What has to hold on a GPU: `make test-gpu`. Nothing here runs without one."""

import json

import kills
import lightning.pytorch as pl
import pytest
import torch
from conftest import entries
from helpers import any_batch, any_spec, finite, single, small_model
from kills import At

from unroll.errors import NumericError
from unroll.spec import Alignment, Kind
from unroll.training.run import run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU that torch can use"),
]

SMALL = (
    *("trainer.accelerator=gpu", "model.hidden_size=8", "data.train_size=96", "data.valid_size=24"),
    *("data.test_size=24", "data.batch_size=8", "trainer.max_epochs=2", "logger=csv"),
)
SPEC = any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.STEP)


def train(folder, monkeypatch, *words, callbacks=()):
    monkeypatch.chdir(folder)
    return run({**kills.values_of(*SMALL, *words), "run_dir": "run"}, callbacks=callbacks)


@pytest.mark.parametrize("cell", entries("model/cell"))
def test_a_cell_gives_what_it_gives_on_the_cpu(cell):
    """Outputs and gradients, of a padded batch; and each sequence what it gets alone."""
    model = small_model("many_to_many", SPEC, cell={"name": cell}).double().train()
    batch = any_batch(SPEC, [5, 2, 7])
    batch.inputs, batch.targets = batch.inputs.double(), batch.targets.double()
    model.loss(batch).backward()
    expected = {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
    }
    outputs = model(batch)
    model.zero_grad()
    there, moved = model.cuda(), batch.to("cuda")
    there.loss(moved).backward()
    for name, weight in there.named_parameters():
        if name in expected:
            torch.testing.assert_close(weight.grad.cpu(), expected[name], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(there(moved).cpu(), outputs, atol=1e-5, rtol=1e-4)
    alone = there(single(batch, 1).to("cuda"))
    torch.testing.assert_close(alone[0], there(moved)[1, :2], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("model", entries("model"))
def test_a_model_trains(model, tmp_path, monkeypatch):
    assert finite(train(tmp_path, monkeypatch, f"model={model}")["test"])
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["gpu"] == torch.cuda.get_device_name()


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed", "bf16-true", "64-true"])
@pytest.mark.parametrize("model", ["many_to_one", "seq2seq"])
def test_a_precision(model, precision, tmp_path, monkeypatch):
    outcome = train(tmp_path, monkeypatch, f"model={model}", f"trainer.precision={precision}")
    assert finite(outcome["test"])


class NoWaiting(pl.Callback):
    """Makes everything raise that waits for the GPU within a step; the first steps may choose kernels."""

    def __init__(self):
        self.steps = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx >= 2:
            self.steps += 1
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("padding", ["auto", "masked", "packed"])
@pytest.mark.parametrize("model", entries("model"))
def test_a_step_does_not_wait_for_the_gpu(model, padding, tmp_path, monkeypatch):
    waiting = NoWaiting()
    words = (f"model={model}", f"model.padding={padding}", "trainer.log_every=1000", "model.dropout=0.1")
    try:
        train(tmp_path, monkeypatch, *words, callbacks=[waiting])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert waiting.steps > 0


class Nan(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            batch.inputs[0] = torch.nan


def test_a_nan_is_told_with_its_step_and_is_in_no_checkpoint(tmp_path, monkeypatch):
    words = ("model=many_to_one", "trainer.checkpoint_every_steps=1")
    with pytest.raises(NumericError, match="train/loss=nan at step 4, of the training samples"):
        train(tmp_path, monkeypatch, *words, callbacks=[Nan()])
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 3
    assert all(bool(tensor.isfinite().all()) for tensor in last["state_dict"].values())


@pytest.mark.parametrize("words", [("model=seq2seq",), ("model=many_to_one", "model/cell=lstm")])
def test_a_killed_run_goes_on_to_the_same_bits(words, tmp_path):
    values = kills.values_of(*SMALL, *words, "model.dropout=0.3", "trainer.deterministic=true")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    kills.finished({**values, "run_dir": "run"}, tmp_path / "whole")
    kills.killed({**values, "run_dir": "run"}, tmp_path / "killed", At("on_train_batch_end", 17))
    kills.finished({**values, "run_dir": "run"}, tmp_path / "killed", resume=True)
    both = (kills.left(tmp_path / name / "run") for name in ("whole", "killed"))
    assert not kills.differences(*both)


def test_ddp_of_one_process_measures_what_a_plain_run_does(tmp_path, monkeypatch):
    found = {}
    for strategy in ("auto", "ddp"):
        folder = tmp_path / strategy
        folder.mkdir()
        words = ("model=many_to_one", f"trainer.strategy={strategy}")
        code = kills.run({**kills.values_of(*SMALL, *words), "run_dir": "run"}, folder)
        assert code == 0, (folder / "out").read_text()
        found[strategy] = json.loads((folder / "run" / "results.json").read_text())["test"]
    assert found["ddp"] == pytest.approx(found["auto"], rel=1e-3)
