"""Records during training how far the gradient reaches back in time."""

from typing import Any

import lightning.pytorch as pl
import torch

from unroll.errors import InputError
from unroll.inspect.gradients import gradient_flow
from unroll.inspect.recording import recurrences
from unroll.models.base import SequenceModel
from unroll.runs.folder import RunFolder
from unroll.training.logging.loggers import log_image


class GradientNorms(pl.Callback):
    """Before every `every`-th optimizer step, records the norms of ∂loss/∂state at each time step.

    The norms go to gradients.csv in the run's folder, the newest picture to gradients.png, and each picture
    to the dashboard. They are those of the first process's batch. They are computed separately, step by step
    and in full precision, so training stays the same to the bit.
    """

    def __init__(self, every: int, folder: RunFolder) -> None:
        self.every = every
        self.folder = folder
        self._last = -1

    @property
    def state_key(self) -> str:
        return "GradientNorms"

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        try:
            recurrences(pl_module)
        except InputError as error:
            raise InputError(
                f"trainer.log_gradients_every={self.every}: {error}; or set it to null"
            ) from error

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        file = self.folder.gradients
        if not trainer.is_global_zero or not file.exists():
            return
        # The run resumes from a checkpoint: rows written after it, perhaps partly, will be written again.
        header, *rows = file.read_text().splitlines(keepends=True)
        whole = [row for row in rows if row.endswith("\n")]
        kept = [row for row in whole if int(row.partition(",")[0]) < trainer.global_step]
        file.write_text("".join([header, *kept]))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        # The optimizer's step stays the same while batches are accumulated.
        if not trainer.is_global_zero or step % self.every or step == self._last:
            return
        self._last = step
        assert isinstance(pl_module, SequenceModel)
        attributes = vars(pl_module).copy()  # a model may carry a state from segment to segment
        device = pl_module.device
        forked = [device] if device.type == "cuda" else []
        try:
            with (
                torch.random.fork_rng(forked),
                trainer.precision_plugin.forward_context(),
                torch.autocast(device.type, enabled=False),
            ):
                flow = gradient_flow({"": pl_module}, lambda model: model.loss(batch))
        finally:
            vars(pl_module).update(attributes)
        rows = flow.frame().drop(columns="model")
        rows.insert(0, "optimizer_step", step)
        file = self.folder.gradients
        rows.to_csv(file, mode="a", header=not file.exists(), index=False)
        figure = flow.figure()
        figure.suptitle(f"before optimizer step {step + 1}")
        figure.savefig(self.folder.picture("gradients"), dpi=120)
        log_image("train/gradients", self.folder.picture("gradients"))
