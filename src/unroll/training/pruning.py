"""Stops a trial of a sweep that falls behind the other trials."""

from collections.abc import Callable

import lightning.pytorch as pl

from unroll.errors import InputError, nearest
from unroll.models.base import SequenceModel

PruningRule = Callable[[float, int], bool]
"""Takes the value of a metric and the epoch of its validation; returns whether to stop the run."""


class Pruned(Exception):  # noqa: N818  # it is not an error
    """A run was stopped because other runs were better after as many epochs. That is not a failure."""

    exit_code = 0


class Pruning(pl.Callback):
    """Gives a metric to a pruning rule at the first validation of an epoch, and stops the run if it says so.

    `metric` defaults to the one that the model monitors. Of several processes only the first has a rule; all
    processes stop.

    Raises:
        InputError: there is no such metric.
        Pruned: the run stops.
    """

    def __init__(self, metric: str | None, rule: PruningRule | None) -> None:
        self.metric = metric
        self.rule = rule
        self._epoch = -1

    @property
    def state_key(self) -> str:
        return "Reports"

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, SequenceModel)
        if trainer.current_epoch == self._epoch:  # trials are compared after as many epochs
            return
        self._epoch = trainer.current_epoch
        metric = self.metric or pl_module.monitor[0]
        stop = False
        if self.rule is not None:
            known = trainer.callback_metrics
            if metric not in known:
                raise InputError(f"sweep.objectives: {metric} is not measured, {nearest(metric, known)}")
            stop = self.rule(float(known[metric]), trainer.current_epoch)
        if trainer.strategy.broadcast(stop):
            raise Pruned
