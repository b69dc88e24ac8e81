"""A loss or gradient that is NaN or infinite never reaches the weights."""

import lightning.pytorch as pl
import pytest
import torch
from commands import train
from helpers import any_batch, any_spec, small_model

from unroll.config.registry import from_dict
from unroll.errors import NumericError
from unroll.spec import Alignment, Kind
from unroll.training.bare_trainer import bare_trainer, quiet

LARGE = 3e18
SPEC = any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE)


class Weights(pl.Callback):
    """The weights after every step."""

    def __init__(self):
        self.after = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.after.append(torch.cat([p.detach().flatten() for p in pl_module.parameters()]))


def bad_input(batch):
    batch.inputs[2, 1, 0] = torch.nan


def bad_gradient(batch):
    """One so large that the gradient overflows, though the loss does not: see `fit`."""
    batch.targets[:] = LARGE


def fit(batches, skip=False, **trainer):
    torch.manual_seed(0)
    model = small_model("many_to_one", SPEC).train()
    model.optimizer_config = from_dict("optimizer", {"name": "sgd", "lr": 1e-6})
    model.finite_steps.skip = skip
    with torch.no_grad():
        model.output.weight.mul_(1e4)  # ∂loss/∂h is as many times larger than ∂loss/∂output
    weights = Weights()
    error = None
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    try:
        with quiet():
            loop = bare_trainer(
                accelerator="cpu", max_epochs=1, limit_val_batches=0, callbacks=[weights], **trainer
            )
            loop.fit(model, loader, loader)
    except NumericError as raised:
        error = str(raised)
    return model, weights.after, error


def batches(number=4, bad=None, at=2):
    made = [any_batch(SPEC, [3, 2, 4], seed=seed) for seed in range(number)]
    for seed, batch in enumerate(made):
        batch.index += 10 * seed
    if bad is not None:
        bad(made[at])
    return made


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("bad", [bad_input, bad_gradient])
class TestSteps:
    def test_the_run_ends_in_the_step_and_names_the_samples(self, bad, clip):
        _, after, error = fit(batches(bad=bad), gradient_clip_val=clip)
        assert "at step 3, of the training samples 20, 21, 22;" in error
        assert ("train/loss=nan" if bad is bad_input else "gradient norm=inf") in error
        assert len(after) == 2

    def test_its_weights_are_those_of_the_step_before(self, bad, clip):
        stopped, after, _ = fit(batches(bad=bad), gradient_clip_val=clip)
        now = torch.cat([p.detach().flatten() for p in stopped.parameters()])
        assert torch.equal(now, after[-1])
        assert now.isfinite().all()

    def test_a_step_left_out_changes_nothing(self, bad, clip):
        model, after, error = fit(batches(bad=bad), skip=True, gradient_clip_val=clip)
        assert error is None
        assert model.finite_steps.skipped == 1
        assert torch.equal(after[2], after[1])
        assert not torch.equal(after[3], after[2])
        good = batches(bad=bad)
        del good[2]
        _, without, _ = fit(good, gradient_clip_val=clip)
        assert torch.equal(after[-1], without[-1])

    def test_only_the_batch_at_fault_is_named_of_those_accumulated(self, bad, clip):
        _, _, error = fit(batches(bad=bad), gradient_clip_val=clip, accumulate_grad_batches=3)
        named = "20, 21, 22;" if bad is bad_input else "0, 1, 2, 10, 11, 12, 20, 21, 22;"
        assert f"at step 1, of the training samples {named}" in error


def test_a_run_that_diverges_ends_in_one_line_with_code_4(tmp_path):
    wild = ["model=simple_rnn", "optimizer=sgd", "optimizer.lr=1e6", "trainer.gradient_clip=0"]
    done = train(*wild, "logger=csv", "run_dir=run", "trainer.max_epochs=2", cwd=tmp_path)
    assert done.returncode == 4
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "of the training samples" in done.stderr
    assert not (tmp_path / "run" / "results.json").exists()
