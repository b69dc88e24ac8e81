"""Opens the model and the data of a run, or builds fresh ones. Imports nothing heavy before it is called."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unroll.data.module import SequenceDataModule
    from unroll.models.base import SequenceModel


def open_model(*what: str) -> "tuple[SequenceModel, SequenceDataModule]":
    """The model of a run, or a fresh one, in eval mode on the CPU; and its data.

    `what` is a run's folder or checkpoint, or overrides of train.py such as "model=many_to_one", "seed=3".

    Raises:
        InputError: there is no such run, or an override is wrong.
    """
    if len(what) == 1 and "=" not in what[0]:
        from unroll.paths import given
        from unroll.training import checkpoints

        run = given(what[0])
        return checkpoints.load(run), data_of(run)
    from unroll.config.compose import CONF, check, compose
    from unroll.config.root import load

    checked = load(check(compose(what), CONF))
    import torch

    from unroll.data.module import build_data
    from unroll.models.base import build_model

    torch.manual_seed(checked.seed)
    data = build_data(checked.data, checked.seed)
    return build_model(checked.model, data.spec, checked.optimizer, checked.scheduler).eval(), data


def data_of(run: Path) -> "SequenceDataModule":
    """The data that a run was trained on, not loaded yet.

    Raises:
        InputError: there is no such run, or its checkpoint does not name its data.
    """
    from unroll.config.registry import from_dict
    from unroll.data.module import build_data
    from unroll.errors import InputError
    from unroll.runs.checkpoints import find
    from unroll.training import checkpoints

    path = find(run)
    plain = checkpoints.read(path).get("datamodule_hyper_parameters")
    seed = plain.get("seed") if isinstance(plain, dict) else None
    if not isinstance(plain, dict) or not isinstance(seed, int) or "data" not in plain:
        raise InputError(
            f"{path}: does not name the data it learned from; give a checkpoint that a run has written"
        )
    everything = plain.get("everything") is True
    try:
        return build_data(from_dict("data", plain["data"]), seed % 2**32, everything=everything)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
