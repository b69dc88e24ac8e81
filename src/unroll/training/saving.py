"""Saves a run, so that it can be resumed to the same bits."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import Logger

from unroll.batch import SequenceBatch
from unroll.config.root import TrainerConfig
from unroll.errors import UnrollError
from unroll.models.base import SequenceModel
from unroll.runs.files import previous
from unroll.runs.folder import RunFolder
from unroll.training.checkpoints import CheckpointFiles
from unroll.training.logging import loggers
from unroll.training.processes.torchrun import silent_exit
from unroll.training.signals import Agreement, Signals, stopped


class Saving(pl.Callback):
    """Saves a run after every validation, at intervals, and when a signal stops it; and its best checkpoint.

    After a validation within an epoch it writes the best checkpoint alone, and anything else a batch later:
    Lightning would end that validation a second time in a run that resumed there.

    It saves between two batches, before the second one starts. At that point the work after a batch, a
    validation or an epoch is complete: metrics are logged, schedules have stepped, gradients are applied. It
    never saves during gradient accumulation, or between the segments of a batch cut along time. The exception
    is a run that is stopped during validation: it is saved there, and repeats the validation.

    `resumed_from` is the checkpoint of a run that resumes in its own folder. A new run that starts from the
    checkpoint of another run keeps its own best. `kept` is what a resumed run has to keep of the config.

    Attributes:
        best: the best value of the monitored metric; None before the first validation.
        files: writes the checkpoints for Lightning.
        has_begun: whether the training has started, so that a checkpoint is completely restored.
    """

    def __init__(
        self,
        folder: RunFolder,
        model: SequenceModel,
        config: TrainerConfig,
        signals: Signals,
        destinations: list[Logger],
        *,
        kept: dict[str, Any],
        resumed_from: Path | None = None,
    ) -> None:
        self.files = CheckpointFiles()
        self.resumed_from = resumed_from
        self.best: float | None = None
        self.finished = False
        self.has_begun = False
        self._folder = folder
        self._kept = kept
        self._metric, self._mode = model.monitor
        self._every_steps = config.checkpoint_every_steps
        self._every_seconds = 60 * (config.checkpoint_every_minutes or 0)
        self._signals = signals
        self._agreement = Agreement()
        self._destinations = destinations
        self._is_best = False
        self._has_validated = False
        self._saved_at = time.monotonic()
        self._saved_step = 0

    @property
    def state_key(self) -> str:
        return "Saving"

    @property
    def best_file(self) -> Path:
        """The best checkpoint, or the last one if the run ended before its first validation."""
        return self._folder.last if self.best is None else self._folder.best

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.has_begun = True
        self._signals.install()
        # Lightning calls a resumed run "restarting" until its first epoch has ended, and does not step
        # ReduceLROnPlateau after that epoch. With max_steps it calls it so at an epoch's start too, and then
        # counts that epoch twice.
        loop = trainer.fit_loop
        epochs: Any = loop.epoch_progress.current
        loop.epoch_loop.restarting = epochs.started > epochs.processed
        loop._restarting = False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: SequenceBatch, batch_idx: int
    ) -> None:
        has_validated, self._has_validated = self._has_validated, False
        if has_validated and batch_idx > 0:
            if self._is_best:
                self._write(trainer, self._folder.best)
                self._is_best = False
            return
        if batch.start or batch_idx % trainer.accumulate_grad_batches:
            return
        late = self._every_seconds and time.monotonic() - self._saved_at >= self._every_seconds
        signal_number, is_late = self._agreement.largest(trainer, self._signals.received, int(late))
        steps = trainer.global_step - self._saved_step
        if signal_number or is_late or has_validated or (self._every_steps and steps >= self._every_steps):
            self.save(trainer)
        if signal_number:
            self._end_by(trainer, signal_number)

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._end_if_asked(trainer, save=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._has_validated = True
        value = trainer.callback_metrics.get(self._metric)
        if value is None or value.isnan():
            return
        new = float(value)
        if self.best is None or (new < self.best if self._mode == "min" else new > self.best):
            self.best, self._is_best = new, True

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._signals.install()

    def on_test_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._end_if_asked(trainer, save=False)

    def save(self, trainer: pl.Trainer) -> None:
        """Write last.ckpt, and best.ckpt if the last validation was the best.

        Raises:
            MissingEnvironmentError: a file cannot be written. The earlier checkpoints are intact.
        """
        # Lightning would have to save a metric that is averaged over the epoch.
        assert not any(result.meta.on_epoch for result in trainer.fit_loop.epoch_loop._results.values())
        # The best first: if last.ckpt names a best value, best.ckpt must exist.
        for file in (self._folder.best, self._folder.last) if self._is_best else (self._folder.last,):
            self._write(trainer, file)
        self._is_best = False
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step

    def _write(self, trainer: pl.Trainer, file: Path) -> None:
        trainer.save_checkpoint(file)
        failure = trainer.strategy.broadcast(self.files.failure)
        if failure is not None:
            self._end(trainer, self._folder.cannot_write(failure))

    def finish(self, trainer: pl.Trainer) -> None:
        """Save that the training is complete."""
        if not self.finished:
            self.finished = True
            self.save(trainer)
            if trainer.is_global_zero:
                previous(self._folder.last).unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        logged = loggers.place(self._destinations)
        return {"best": self.best, "finished": self.finished, "logged": logged, "config": self._kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.finished = state_dict["best"], state_dict["finished"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        loops = checkpoint["loops"]["fit_loop"]
        if trainer.training:  # the next batch has not started, nor has its epoch if it is the first batch
            _back_to_completed(loops["epoch_loop.batch_progress"])
            if loops["epoch_loop.batch_progress"]["current"]["completed"] == 0:
                _back_to_completed(loops["epoch_progress"])
        elif trainer.validating:  # tells Lightning that a validation has started but not ended
            validation = loops["epoch_loop.val_loop.batch_progress"]
            for part in ("total", "current"):
                validation[part] = {"ready": 0, "started": 0, "processed": 0, "completed": 0}
            validation["total"].update(ready=1, started=1)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.resumed_from is not None:
            trainer.should_stop = checkpoint["callbacks"][self.state_key]["finished"]
            self._saved_step = checkpoint["global_step"]
            return
        for key in list(checkpoint["callbacks"]):  # what belongs to the other run alone
            if key.startswith((self.state_key, "Throughput", "Progress", "EarlyStopping", "Timer")):
                del checkpoint["callbacks"][key]
        place = checkpoint.get(type(trainer.datamodule).__qualname__)  # type: ignore[attr-defined]
        epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        if place and place["batches"] and epochs["current"]["processed"] == epochs["current"]["started"]:
            # Its steps or its time were used up. With more of them, its last epoch continues.
            for part in ("total", "current"):
                for count in ("processed", "completed"):
                    epochs[part][count] -= 1

    def _end_if_asked(self, trainer: pl.Trainer, *, save: bool) -> None:
        signal_number, *_ = self._agreement.largest(trainer, self._signals.received)
        if signal_number:
            if save:
                self.save(trainer)
            self._end_by(trainer, signal_number)

    def _end_by(self, trainer: pl.Trainer, signal_number: int) -> None:
        self._end(trainer, stopped(signal_number, self._folder, trainer.global_step))

    def _end(self, trainer: pl.Trainer, error: UnrollError) -> None:
        """End all processes together; the first prints why. (If another fails, Lightning kills the first.)"""
        raise error if trainer.is_global_zero else silent_exit(error.exit_code)


def _back_to_completed(progress: dict[str, dict[str, int]]) -> None:
    for part in progress["total"], progress["current"]:
        part.update(dict.fromkeys(("ready", "started", "processed"), part["completed"]))
