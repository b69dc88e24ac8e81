"""Builds the data and the model of a run from its config."""

import os
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch

from unroll.config.root import NonFinite, TrainConfig, TrainerConfig
from unroll.data.module import SequenceDataModule, build_data
from unroll.errors import InputError
from unroll.models.base import SequenceModel, build_model
from unroll.models.finite import FiniteSteps
from unroll.models.size import ModelSize
from unroll.redact import redacted
from unroll.training.environment import processes
from unroll.training.settle import settle
from unroll.training.trainer import require_device


@dataclass(frozen=True, slots=True)
class RunParts:
    """The config of a run, with the data and the model built from it.

    Attributes:
        config: the config, with numbers in place of what it left open.
        values: the config as plain values, for the folder and the dashboard: redacted, and with the hidden
            size that `model.parameters` resolves to.
    """

    config: TrainConfig
    values: dict[str, Any]
    data: SequenceDataModule
    model: SequenceModel
    size: ModelSize


def build(config: TrainConfig, values: dict[str, Any]) -> RunParts:
    """Load the data and build the model of a checked config. `values` are its plain values.

    It seeds all random numbers and sets the number of threads.

    Raises:
        InputError: the data do not match the config, or the model cannot learn from them with these settings.
        MissingEnvironmentError: the machine lacks a device or package that the config asks for.
    """
    trainer = config.trainer
    require_device(trainer)
    torch.set_num_threads(trainer.threads or len(os.sched_getaffinity(0)))
    pl.seed_everything(config.seed, verbose=False)
    everything = config.refit.run is not None
    data = build_data(config.data, config.seed, truncate_steps=trainer.truncate_steps, everything=everything)
    for split, samples in data.splits.items():
        if (dealt := processes(trainer)) > len(samples):
            raise InputError(
                f"trainer.devices={trainer.devices}: {len(samples)} {split} sequences cannot be shared out "
                f"among {dealt} processes; use fewer, or give more data"
            )
    settled = settle(values, data)
    config, values = settled.config, settled.values
    model = build_model(config.model, data.spec, config.optimizer, config.scheduler, _finite_steps(trainer))
    if trainer.truncate_steps is not None:
        model.require_truncatable(trainer.truncate_steps)
    model.schedule_steps = config.refit.schedule_steps
    values = redacted({**values, "model": model.hparams["model"]})
    return RunParts(config, values, data, model, ModelSize.of(model))


def _finite_steps(trainer: TrainerConfig) -> FiniteSteps:
    return FiniteSteps(skip=trainer.nonfinite is NonFinite.skip, scaled=trainer.precision == "16-mixed")
