"""Trains a model in a notebook or a script."""

import torch

from unroll.data.module import SequenceDataModule
from unroll.models.base import SequenceModel
from unroll.training.bare_trainer import bare_trainer, quiet


def fit(model: SequenceModel, data: SequenceDataModule, epochs: int) -> None:
    """Train a model in place on the CPU. It prints nothing and makes no folder; train.py does both.

    The model is in eval mode afterwards.
    """
    torch.manual_seed(data.seed)
    model.train()
    with quiet():
        trainer = bare_trainer(
            accelerator="cpu", max_epochs=epochs, gradient_clip_val=1.0, limit_val_batches=0
        )
        trainer.fit(model, data)
    model.eval()
