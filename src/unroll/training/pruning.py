"""What a run says of itself while it goes on, and to whom it listens."""

from collections.abc import Callable

import lightning.pytorch as pl

from unroll.errors import InputError, nearest
from unroll.models.base import SequenceModel

Report = Callable[[float, int], bool]
"""Takes a measure and the epoch after which it was taken; answers whether the run is to be stopped."""


class PrunedError(Exception):
    """A run was stopped, since others had come further by then. That is no failure."""

    exit_code = 0


class Reports(pl.Callback):
    """Reports a measure of every validation, and stops the run where the answer says so.

    `metric` None is the model's own. Of several processes the first one reports, and all stop.

    Raises:
        InputError: there is no such metric.
        PrunedError: the run is to stop.
    """

    def __init__(self, metric: str | None, report: Report | None) -> None:
        self.metric = metric
        self.report = report

    @property
    def state_key(self) -> str:
        return "Reports"

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SequenceModel)
        metric = self.metric or pl_module.monitor[0]
        stop = False
        if self.report is not None:
            known = trainer.callback_metrics
            if metric not in known:
                raise InputError(f"sweep.objectives: {metric} is not measured, {nearest(metric, known)}")
            stop = self.report(float(known[metric]), trainer.current_epoch)
        if trainer.strategy.broadcast(stop):
            raise PrunedError
