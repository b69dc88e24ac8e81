"""What notebooks begin with: a model and its data, fresh or of a run, and training without a run's folder."""

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
from test_cli_inspect import SMALL, unroll

from unroll.errors import InputError
from unroll.trained.open import open_model
from unroll.training.bare_trainer import quiet
from unroll.training.fit import fit

SINE = ["model=simple_rnn", *SMALL]


def test_a_fresh_model_is_as_the_overrides_say():
    model, data = open_model(*SINE, "model/cell=lstm", "seed=3")
    assert model.hparams["model"]["cell"]["name"] == "lstm"
    assert (model.training, len(data.splits["train"])) == (False, 20)
    again, _ = open_model(*SINE, "model/cell=lstm", "seed=3")
    other, _ = open_model(*SINE, "model/cell=lstm", "seed=4")
    same = [torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)]
    differ = [not torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)]
    assert all(same)
    assert all(differ)


def test_a_run_is_opened_with_its_weights_and_its_data(tmp_path):
    model, data = open_model(*SINE, "data.min_length=9")
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    with quiet():
        trainer = pl.Trainer(
            accelerator="cpu", max_steps=1, limit_val_batches=0, enable_checkpointing=False, **options
        )
        trainer.fit(model.train(), data)
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    opened, own = open_model(str(tmp_path / "run.ckpt"))
    for name, weights in model.state_dict().items():
        assert torch.equal(opened.state_dict()[name], weights)
    assert own.config == data.config
    assert own.config.min_length == 9

    unroll("trace", str(tmp_path / "run.ckpt"), "--csv", str(tmp_path / "trace.csv"))
    written = pd.read_csv(tmp_path / "trace.csv")
    y = written[written.quantity == "y"]["0"].iloc[-1]
    batch = own.collate([own.splits["test"][0]])
    assert y == pytest.approx(opened(batch).item(), abs=1e-6)
    assert "18" in unroll("graph", str(tmp_path / "run.ckpt"))


def test_mistakes_are_told():
    with pytest.raises(InputError, match="no/run: no such run"):
        open_model("no/run")
    with pytest.raises(InputError, match=r"model.hiden_size: no such key"):
        open_model("model.hiden_size=3")


def test_fit_trains_in_place_in_silence_and_leaves_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    fitted = []
    for _ in range(2):
        model, data = open_model(*SINE, "optimizer.lr=0.01", "data.train_size=200")
        batch = next(iter(data.test_dataloader()))
        before = model.loss(batch).item()
        torch.rand(len(fitted))  # what came before makes no difference
        fit(model, data, epochs=3)
        assert not model.training
        assert model.loss(batch).item() < 0.7 * before
        fitted.append(model.state_dict())
    for name, weights in fitted[0].items():
        assert torch.equal(fitted[1][name], weights)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
