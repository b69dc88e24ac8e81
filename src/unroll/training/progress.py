"""A line for each validation: the losses, the best so far, and when the run will end at the latest."""

import logging
import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from unroll.batch import SequenceBatch
from unroll.models.base import SequenceModel
from unroll.terminal import duration
from unroll.training.history import History, Validation

log = logging.getLogger("unroll")

SHOWN_METRICS = ("valid/exact_match", "valid/accuracy", "valid/mae")
"""A line shows these metrics if the model measures them."""


class Progress(pl.Callback):
    """Prints the lines, and keeps the history of the validations.

    The training loss of a line is the mean over the steps since the line before. `minutes` is the limit of
    the run's time, if it has one.
    """

    def __init__(self, model: SequenceModel, minutes: float | None) -> None:
        self.history = History(*model.monitor)
        self._minutes = minutes
        self._start = time.perf_counter()
        self._first_step: int | None = None
        self._sum, self._count = torch.tensor(0.0), torch.tensor(0)

    @property
    def state_key(self) -> str:
        return "Progress"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._first_step = trainer.global_step
        self._sum, self._count = self._sum.to(pl_module.device), self._count.to(pl_module.device)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: SequenceBatch,
        batch_idx: int,
    ) -> None:
        loss: Tensor = outputs["loss"] * trainer.accumulate_grad_batches  # Lightning has divided it
        counts = loss.isfinite()  # a step may be left out
        self._sum = self._sum + loss.where(counts, 0.0)
        self._count = self._count + counts

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._tell(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.limit_val_batches:
            self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if int(self._count):
            metrics["train/loss"] = float(self._sum / self._count)
        else:
            metrics.pop("train/loss", None)
        self._sum, self._count = torch.zeros_like(self._sum), torch.zeros_like(self._count)
        metric = self.history.metric
        if metric in metrics:
            self.history.add(Validation(_epoch(trainer), metrics[metric], metrics.get("train/loss")))
        if trainer.is_global_zero:
            log.info(self._line(trainer, metrics))

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history.to_lists(), "sum": float(self._sum), "count": int(self._count)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history.load(state_dict["history"])
        self._sum, self._count = torch.tensor(state_dict["sum"]), torch.tensor(state_dict["count"])

    def _line(self, trainer: pl.Trainer, metrics: dict[str, float]) -> str:
        names = dict.fromkeys(["train/loss", "valid/loss", self.history.metric, *SHOWN_METRICS])
        parts = [f"epoch {_epoch(trainer):.3g}/{trainer.max_epochs}"]
        parts += [f"{name} {metrics[name]:.4f}" for name in names if name in metrics]
        if best := self.history.best:
            parts.append(f"best {best.value:.4f} (epoch {best.epoch:.3g})")
        return "  ".join([*parts, self._times(trainer)])

    def _times(self, trainer: pl.Trainer) -> str:
        """The time since the start, and the longest that is left at this speed."""
        seconds = time.perf_counter() - self._start
        done = trainer.global_step - (self._first_step or 0)
        left = seconds / max(1, done) * (int(trainer.estimated_stepping_batches) - trainer.global_step)
        if self._minutes is not None:
            left = min(left, max(0.0, 60 * self._minutes - seconds))
        return f"{duration(seconds)}, at most {duration(left)} more"


def _epoch(trainer: pl.Trainer) -> float:
    """How many times the run has gone through the data, counted from 1 at the end of the first epoch."""
    done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
    return trainer.current_epoch + min(1.0, done / float(trainer.num_training_batches))
