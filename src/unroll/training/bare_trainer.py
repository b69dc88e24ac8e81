"""A trainer that writes nothing, and Lightning without its routine messages."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl

IGNORED_WARNINGS = (
    ".*does not have many workers.*",  # data.workers sets their number
    ".*exists and is not empty.*",  # the run has just made its folder
    ".*smaller than the logging interval.*",  # short runs are short
    ".*could not find the monitored key.*",  # a run that ends before its first validation has no best
    ".*`srun` command is available.*",  # not every run on a SLURM machine is a SLURM job
    ".*GPU available but not used.*",  # trainer.accelerator=cpu asks for it
    ".*your dataloader is not resumable.*",  # the batches themselves start at the right place
    ".*callbacks used to create the checkpoint need.*",  # a run may go on without early stopping
    ".*LeafSpec.*is deprecated.*",  # Lightning 2.6 on torch 2.13
)


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, Lightning logs only warnings, and not those that every run would cause."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield


def bare_trainer(**options: Any) -> pl.Trainer:
    """A trainer in one process that prints and writes nothing, with further `options` of Lightning."""
    return pl.Trainer(
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
