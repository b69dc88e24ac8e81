"""Hushes what Lightning says of itself, so that what is left is worth reading."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl

MESSAGES = (
    ".*does not have many workers.*",  # data.workers says how many
    ".*exists and is not empty.*",  # the run's folder, which the run has just made
    ".*smaller than the logging interval.*",  # short runs are short
    ".*could not find the monitored key.*",  # a run that ends before its first validation has no best
    ".*`srun` command is available.*",  # a run need not be a SLURM job where there is SLURM
    ".*GPU available but not used.*",  # trainer.accelerator=cpu says so
    ".*your dataloader is not resumable.*",  # its batches begin where the run goes on
    ".*LeafSpec.*is deprecated.*",  # Lightning 2.6 on torch 2.13
)


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning logs warnings only, and of those none that says nothing new."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in MESSAGES:
            warnings.filterwarnings("ignore", message)
        yield


def bare_trainer(**options: Any) -> pl.Trainer:
    """A trainer in one process that shows nothing and leaves nothing, with Lightning's `options`."""
    return pl.Trainer(
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
