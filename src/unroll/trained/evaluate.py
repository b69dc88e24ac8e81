"""A trained model on its own data once more."""

from pathlib import Path

from unroll.config.registry import from_dict
from unroll.data.module import SequenceDataModule, build_data
from unroll.errors import InputError
from unroll.models.base import SequenceModel
from unroll.runs.checkpoints import find
from unroll.training import checkpoints
from unroll.training.bare_trainer import bare_trainer, quiet


def data_of(run: Path) -> SequenceDataModule:
    """The data that a run learned from, not yet loaded.

    Raises:
        InputError: the checkpoint does not say what data it learned from.
    """
    path = find(run)
    plain = checkpoints.read(path).get("datamodule_hyper_parameters")
    seed = plain.get("seed") if isinstance(plain, dict) else None
    if not isinstance(plain, dict) or not isinstance(seed, int) or "data" not in plain:
        raise InputError(
            f"{path}: does not say what data it learned from; give a checkpoint that a run has written"
        )
    try:
        return build_data(from_dict("data", plain["data"]), seed % 2**32)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def evaluate(model: SequenceModel, run: Path, split: str = "test") -> tuple[str, dict[str, float]]:
    """Metrics of a model on the split of the data that its checkpoint names, and what data those are.

    Raises:
        InputError: the data are not what they were.
    """
    data = data_of(run)
    if data.spec != model.spec:
        raise InputError(
            f"{run}: learned from data of other tokens or sizes than {data.hparams['data']} has now"
        )
    with quiet():
        metrics = bare_trainer().test(model, data.loader(split), verbose=False)[0]
    return data.description, {name.replace("test/", f"{split}/"): value for name, value in metrics.items()}
