"""Checkpoints of a run: which are kept, and how one is read."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from unroll.errors import InputError
from unroll.models.base import SequenceModel, load_model

FOLDER = "checkpoints"


class _OwnCheckpoint(ModelCheckpoint):
    """Writes one file of a run's folder.

    A run that goes on from a checkpoint has a folder of its own: the old run's best is not its best.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass


def keep_best(run_dir: Path, model: SequenceModel) -> ModelCheckpoint:
    """A callback that writes checkpoints/best.ckpt, by the model's own measure."""
    metric, mode = model.monitor
    return _OwnCheckpoint(run_dir / FOLDER, "best", monitor=metric, mode=mode, enable_version_counter=False)


def keep_last(run_dir: Path) -> ModelCheckpoint:
    """A callback that writes checkpoints/last.ckpt after every epoch."""
    return _OwnCheckpoint(
        run_dir / FOLDER, "last", save_on_train_epoch_end=True, enable_version_counter=False
    )


def find(run: Path) -> Path:
    """The checkpoint of a run: the file itself, or in a run's folder the best (without one, the last).

    Raises:
        InputError: there is none.
    """
    if run.is_file():
        return run
    for name in ("best.ckpt", "last.ckpt"):
        if (run / FOLDER / name).is_file():
            return run / FOLDER / name
    what = "holds no checkpoint" if run.is_dir() else "no such run"
    raise InputError(f"{run}: {what}; give a run's folder (as outputs/seq2seq/…/…) or a .ckpt file")


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint file: tensors and plain values, never code.

    Raises:
        InputError: the file is unreadable, or holds more than that.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not a checkpoint, or a torn one; give a .ckpt file that a run has written")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: holds more than tensors and plain values, and is not loaded") from error
    except Exception as error:  # a torn or forged file can fail anywhere in the unpickler
        raise InputError(f"{path}: not a readable checkpoint ({error!r:.100})") from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path}: not a checkpoint of Unroll; give one that a run has written")
    return checkpoint


def require_fit(path: Path, model: SequenceModel, max_epochs: int) -> None:
    """Make sure that a run of `model` can go on from a checkpoint.

    Raises:
        InputError: the file is no checkpoint, or that of another model, data set, optimizer or schedule,
            or it has nothing left to train.
    """
    checkpoint = read(path)
    try:
        model.load_state_dict(checkpoint["state_dict"])
        old, new = checkpoint["hyper_parameters"], model.hparams
        same = {key: old[key]["name"] == new[key]["name"] for key in ("optimizer", "scheduler")}
        same["data"] = old["spec"] == new["spec"]
        epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"ckpt_path={path}: is not of a run with this model; give the model and data options of its run"
        ) from error
    for key, is_same in same.items():
        if not is_same:
            raise InputError(f"ckpt_path={path}: is of a run with another {key}; give the {key} of its run")
    if epochs >= max_epochs:
        raise InputError(
            f"trainer.max_epochs={max_epochs}: {path} has had {epochs} epochs; give more to go on"
        )


def load(run: Path) -> SequenceModel:
    """The model of a run's folder or checkpoint file, in eval mode on the CPU."""
    path = find(run)
    return load_model(read(path), str(path))
