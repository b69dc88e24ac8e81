"""Lightning's trainer for a run: its devices and its callbacks."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, TQDMProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler as LightningProfiler
from lightning.pytorch.profilers import PyTorchProfiler, SimpleProfiler

from unroll.config.root import Accelerator, Profiler, TrainConfig, TrainerConfig
from unroll.errors import MissingEnvironmentError
from unroll.models.base import SequenceModel
from unroll.runs.folder import RunFolder
from unroll.training import checkpoints
from unroll.training.callbacks import KeepMetrics, StepSeeds
from unroll.training.environment import devices
from unroll.training.gradient_norms import GradientNorms
from unroll.training.logging.learning_rates import LearningRates
from unroll.training.processes import slurm, torchrun
from unroll.training.processes.started import require_started

MOST_PROCESSES_PER_CORE = 4
"""For a run on the CPU. More processes would use up the memory of the machine."""


def require_device(config: TrainerConfig) -> None:
    """Raise a `MissingEnvironmentError` if the machine lacks the devices or tasks that a config needs."""
    require_started(config, devices(config))
    gpus = torch.cuda.device_count()
    if config.accelerator is Accelerator.gpu and gpus == 0:
        raise MissingEnvironmentError(
            "trainer.accelerator=gpu: this machine has no GPU that torch can use; "
            "try trainer.accelerator=cpu, or auto"
        )
    wanted = 1 if config.devices == "auto" else int(config.devices)
    if config.accelerator is not Accelerator.cpu and 0 < gpus < wanted:
        raise MissingEnvironmentError(
            f"trainer.devices={wanted}: this machine has only {gpus} GPUs; give {gpus} or fewer"
        )
    if config.accelerator is Accelerator.cpu or gpus == 0:
        cores = os.cpu_count() or 1
        if wanted > MOST_PROCESSES_PER_CORE * cores:
            raise MissingEnvironmentError(
                f"trainer.devices={wanted}: this machine has only {cores} cores; give fewer"
            )
        if config.precision == "16-mixed":
            raise MissingEnvironmentError(
                "trainer.precision=16-mixed: a CPU does not support it; use bf16-mixed, or a GPU"
            )


def build_trainer(
    config: TrainerConfig,
    folder: RunFolder,
    destinations: list[Logger],
    callbacks: list[Callback],
    files: checkpoints.CheckpointFiles,
    *,
    validates: bool = True,
) -> pl.Trainer:
    """The trainer of a settled config. It writes only below the folder."""
    every = config.validate_every
    assert every is not None
    return pl.Trainer(
        accelerator=config.accelerator.value,
        devices=config.devices if config.devices == "auto" else int(config.devices),
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=config.precision,  # type: ignore[arg-type]  # TrainerConfig checks it
        max_epochs=config.max_epochs,
        max_steps=config.max_steps,
        max_time=timedelta(minutes=config.max_minutes) if config.max_minutes else None,
        gradient_clip_val=config.gradient_clip or None,
        accumulate_grad_batches=config.accumulate,
        check_val_every_n_epoch=max(1, int(every)),
        val_check_interval=min(1.0, every),
        log_every_n_steps=config.log_every,
        # Only the loader of an epoch knows the number of its segments.
        reload_dataloaders_every_n_epochs=int(config.truncate_steps is not None),
        limit_train_batches=config.limit_train_batches,
        limit_val_batches=config.limit_valid_batches if validates else 0,
        limit_test_batches=config.limit_test_batches,
        detect_anomaly=config.detect_anomaly,
        profiler=_profiler(config.profiler, folder.path),
        default_root_dir=folder.path,
        logger=destinations,
        callbacks=callbacks,
        plugins=[files, *(torchrun.cluster() or slurm.cluster())],
        enable_checkpointing=False,  # `Saving` does it
        enable_progress_bar=any(isinstance(callback, TQDMProgressBar) for callback in callbacks),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # BucketedBatches deals out batches itself
    )


def own_callbacks(
    config: TrainConfig, folder: RunFolder, model: SequenceModel, destinations: list[Logger]
) -> list[Callback]:
    """The callbacks of every run, as its config needs them."""
    metric, mode = model.monitor
    callbacks: list[Callback] = [StepSeeds(config.seed), KeepMetrics()]
    if config.trainer.progress_bar and sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    if destinations:
        callbacks.append(LearningRates(logging_interval="step"))
    if config.trainer.log_gradients_every is not None:
        callbacks.append(GradientNorms(config.trainer.log_gradients_every, folder))
    stopping = config.early_stopping
    if stopping.patience is not None:
        callbacks.append(
            EarlyStopping(metric, stopping.min_delta or 0.0, stopping.patience, mode=mode, strict=False)
        )
    return callbacks


def _profiler(profiler: Profiler, path: Path) -> LightningProfiler | None:
    match profiler:
        case Profiler.none:
            return None
        case Profiler.simple:
            return SimpleProfiler(path, "profile")
        case Profiler.pytorch:
            return PyTorchProfiler(path, "profile")
