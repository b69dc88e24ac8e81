"""A training step of a run against the same step without Lightning, callbacks and loggers."""

import contextlib
import copy
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from _setup import adam, bare_step, load_config, make_batches, make_model
from _timing import Spread, in_turns, ratio, synchronised, table
from torch.utils.data import DataLoader

from unroll.batch import SequenceBatch
from unroll.config.registry import to_dict
from unroll.config.root import TrainConfig
from unroll.models.base import SequenceModel
from unroll.runs.folder import RunFolder
from unroll.training.bare_trainer import quiet
from unroll.training.callbacks import Throughput
from unroll.training.logging import loggers
from unroll.training.saving import Saving
from unroll.training.signals import Signals
from unroll.training.trainer import build_trainer, own_callbacks

AIMS = {64: 1.25, 256: 1.05}  # hidden size: the most that a step may take, in bare steps
WARMUP = 10  # steps at the start of an epoch that are not timed


class Clock(pl.Callback):
    """The time from the start of step `WARMUP` to the start of the last one: whole steps and nothing else.

    It stands first among the callbacks, so that all that others do in between is counted.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self.start = 0.0
        self.seconds = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == WARMUP:
            self.start = synchronised()
        elif batch_idx == self.last:
            self.seconds = synchronised() - self.start


def run(quick: bool) -> str:
    """All start from the same weights, take the same batches, and must end with the same weights."""
    steps, repeats = (50, 3) if quick else (100, 11)
    torch.set_num_threads(1)
    rows = []
    for hidden_size, aim in AIMS.items():
        seconds = measure(hidden_size, steps, repeats)
        bare, again, of_a_run = seconds["bare"], seconds["bare again"], seconds["of a run"]
        added_ms = Spread.of([1e3 * (b - a) / steps for a, b in zip(bare, of_a_run, strict=True)])
        rows.append([hidden_size, ratio(of_a_run, bare), f"{aim:.2f}", added_ms, ratio(again, bare)])
    return table(["hidden size", "run / bare", "aim: at most", "ms added to a step", "bare / bare"], rows)


def measure(hidden_size: int, steps: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of `steps` steps of a run, and of as many bare ones, twice: how far chance alone reaches."""
    count = WARMUP + steps + 1
    settings = load_config(
        *("trainer.accelerator=cpu", "trainer.max_epochs=1", "trainer.gradient_clip=1.0"),
        *(f"model.hidden_size={hidden_size}", f"data.train_size={64 * count}"),
    )
    batches = make_batches(settings)
    assert len(batches) == count
    first = make_model(settings)
    trained: dict[str, SequenceModel] = {}

    def bare() -> float:
        trained["bare"] = copy.deepcopy(first)
        return bare_epoch(trained["bare"], batches)

    def of_a_run() -> float:
        model = copy.deepcopy(first)
        seconds = lightning_epoch(model, batches, settings)
        for a, b in zip(trained["bare"].parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(a, b)
        return seconds

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return in_turns({"bare": bare, "of a run": of_a_run, "bare again": bare}, repeats)


def bare_epoch(model: SequenceModel, batches: Sequence[SequenceBatch]) -> float:
    """Train on the batches, and return the seconds from step `WARMUP` to the start of the last."""
    optimizer = adam(model)
    for batch in batches[:WARMUP]:
        bare_step(model, optimizer, batch)
    start = time.perf_counter()
    for batch in batches[WARMUP:-1]:
        bare_step(model, optimizer, batch)
    seconds = time.perf_counter() - start
    bare_step(model, optimizer, batches[-1])
    return seconds


def lightning_epoch(model: SequenceModel, batches: Sequence[SequenceBatch], settings: TrainConfig) -> float:
    """The same with all that `unroll.training.run` puts around a step."""
    folder = RunFolder(Path(tempfile.mkdtemp(dir=".")))
    clock = Clock(last=len(batches) - 1)
    destinations, _ = loggers.build_loggers(settings.logger, folder, to_dict(settings.model))
    saving = Saving(folder, model, settings.trainer, Signals(), destinations)
    callbacks = [clock, saving, Throughput(), *own_callbacks(settings, folder, model, destinations)]
    with quiet():
        trainer = build_trainer(settings.trainer, folder, destinations, callbacks, saving.files)
        # Checkpoints need a validation; it comes after the last step.
        trainer.fit(model, as_loader(batches), as_loader(batches[:1]))
    loggers.finish()
    return clock.seconds


def as_loader(batches: Sequence[SequenceBatch]) -> DataLoader[SequenceBatch]:
    """A loader that hands out finished batches in order."""
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is a Dataset
