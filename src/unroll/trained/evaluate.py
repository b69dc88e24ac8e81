"""Tests a trained model again on the data of its run."""

from pathlib import Path

from unroll.errors import InputError
from unroll.models.base import SequenceModel
from unroll.trained.open import data_of
from unroll.training.bare_trainer import bare_trainer, quiet


def evaluate(model: SequenceModel, run: Path, split: str = "test") -> tuple[str, dict[str, float]]:
    """The description of a run's data, and the metrics of its model on a split of them.

    Raises:
        InputError: the data have changed since the run.
    """
    data = data_of(run)
    if data.hparams.get("everything"):
        raise InputError(f"{run}: has learned from all of its data, and none are left to test it on")
    if data.spec != model.spec:
        raise InputError(
            f"{run}: learned from data with other tokens or sizes than {data.hparams['data']} has now"
        )
    with quiet():
        metrics = bare_trainer().test(model, data.loader(split), verbose=False)[0]
    return data.description, {name.replace("test/", f"{split}/"): value for name, value in metrics.items()}
