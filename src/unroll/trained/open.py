"""What commands and notebooks begin with: a model and its data, of a run or fresh."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unroll.data.module import SequenceDataModule
    from unroll.models.base import SequenceModel


def open_model(*what: str) -> "tuple[SequenceModel, SequenceDataModule]":
    """The model of a run, or a fresh one, in eval mode on the CPU; and its data.

    `what` is a run's folder or checkpoint, or overrides of train.py, as "model=many_to_one", "seed=3".

    Raises:
        InputError: no such run, or an override that is wrong.
    """
    if len(what) == 1 and "=" not in what[0]:
        from unroll.trained.evaluate import data_of
        from unroll.training import checkpoints

        return checkpoints.load(Path(what[0])), data_of(Path(what[0]))
    from unroll.config.compose import CONF, check, compose
    from unroll.config.root import load

    checked = load(check(compose(what), CONF))
    import torch

    from unroll.data.module import build_data
    from unroll.models.base import build_model

    torch.manual_seed(checked.seed)
    data = build_data(checked.data, checked.seed)
    return build_model(checked.model, data.spec, checked.optimizer, checked.scheduler).eval(), data
