"""What the processes of one run must not have in common, and what they must: draws, samples, weights."""

import json
import os

import kills
import lightning.pytorch as pl
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unroll.training.run import run

EPOCHS, SAMPLES = 2, 41
RUN = (
    *("model=seq2seq", "data=copy", "data.vocabulary_size=6", "data.max_length=4", "data.valid_size=9"),
    *(f"data.train_size={SAMPLES}", "data.test_size=7", "data.batch_size=6", "model.hidden_size=8"),
    *("model.dropout=0.5", "model.teacher_forcing.ratio=0.5", f"trainer.max_epochs={EPOCHS}", "logger=none"),
)
TWO = ("trainer.devices=2", "trainer.strategy=ddp", "trainer.accelerator=cpu")
SHOWN = 64
"""So many numbers of a draw are enough to know it by."""


class Draws(TorchDispatchMode):
    """Writes down the first numbers of everything that is drawn at random."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        result = operation(*arguments, **(options or {}))
        if torch.Tag.nondeterministic_seeded in operation.tags:
            with torch.utils._python_dispatch._disable_current_modes():
                self.seen.append([operation.name(), *result.flatten()[:SHOWN].tolist()])
        return result


class Witness(pl.Callback):
    """Writes down the samples and the draws of every step, and the weights that come of them."""

    def __init__(self, file):
        self.file = file
        self.steps = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.draws = Draws()
        self.draws.__enter__()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.draws.__exit__(None, None, None)
        step = {"epoch": trainer.current_epoch, "samples": batch.index.tolist(), "draws": self.draws.seen}
        self.steps.append(step)

    def on_train_end(self, trainer, pl_module):
        weights = {name: tensor.tolist() for name, tensor in pl_module.state_dict().items()}
        self.file.write_text(json.dumps({"steps": self.steps, "weights": weights}))


class HugeTargets(pl.Callback):
    """Makes one loss infinite, of which every gradient is finite."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_rank == 1 and batch_idx == 1:
            batch.targets[0, 0] = 2e19


def train_as_one_of_two(folder, words, environment, rank):
    os.chdir(folder)
    os.environ.update(environment, LOCAL_RANK=str(rank), UNROLL_RUN_DIR=str(folder / "run"))
    values = {**kills.values_of(*words, *TWO), "run_dir": "run"}
    extra = [HugeTargets()] if values["trainer"]["nonfinite"] == "skip" else []
    run(values, resume=True, callbacks=[*extra, Witness(folder / f"seen{rank}.json")])


def witnessed(folder, *words):
    """What both processes of a run have seen."""
    (folder / "run").mkdir()
    assert kills.both(train_as_one_of_two, folder, words) == [0, 0]
    return [json.loads((folder / f"seen{rank}.json").read_text()) for rank in (0, 1)]


def test_two_processes_draw_and_read_apart_and_learn_the_same(tmp_path):
    """The same dropout in both would halve what it does, and nothing else would show it."""
    one, other = witnessed(tmp_path, *RUN)
    assert len(one["steps"]) == len(other["steps"]) == EPOCHS * -(-SAMPLES // 12)
    steps = [*one["steps"], *other["steps"]]
    dropped = [
        tuple(draw) for step in steps for draw in step["draws"] if draw[0].startswith("aten::bernoulli")
    ]
    dropped = [draw for draw in dropped if len(draw) > SHOWN]  # a few zeros and ones may well be the same
    forced = [tuple(draw) for step in steps for draw in step["draws"] if draw[0].startswith("aten::rand")]
    assert len(dropped) >= len(steps)
    assert len(forced) >= len(steps)
    assert len(set(dropped)) == len(dropped)
    assert len(set(forced)) == len(forced)
    for epoch in range(EPOCHS):
        read = [
            sample
            for process in (one, other)
            for step in process["steps"]
            if step["epoch"] == epoch
            for sample in step["samples"]
        ]
        assert sorted(read) == list(range(SAMPLES))
    assert one["weights"] == other["weights"]


def test_a_loss_that_is_infinite_in_one_is_left_out_in_both(tmp_path):
    """One would otherwise take the step alone, and both train on with other weights."""
    words = ("model=many_to_many", "model.hidden_size=8", "data.train_size=48", "data.valid_size=8")
    one, other = witnessed(
        tmp_path,
        *words,
        "data.test_size=8",
        "data.batch_size=8",
        "trainer.max_epochs=1",
        "logger=none",
        "trainer.nonfinite=skip",
    )
    assert one["weights"] == other["weights"]
    assert (tmp_path / "run" / "run.log").read_text().count("step left out: train/loss=inf at step 2") == 1
