"""Training in a notebook or a script."""

import torch

from unroll.data.module import SequenceDataModule
from unroll.models.base import SequenceModel
from unroll.training.bare_trainer import bare_trainer, quiet


def fit(model: SequenceModel, data: SequenceDataModule, epochs: int) -> None:
    """Train a model in place on the CPU, in silence, and leave no folder; train.py does all that is more.

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
