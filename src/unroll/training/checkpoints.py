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


def keep_best_and_last(run_dir: Path, model: SequenceModel) -> ModelCheckpoint:
    """A callback that writes checkpoints/best.ckpt, by the model's own measure, and checkpoints/last.ckpt."""
    metric, mode = model.monitor
    return ModelCheckpoint(
        dirpath=run_dir / FOLDER,
        filename="best",
        monitor=metric,
        mode=mode,
        save_last=True,
        auto_insert_metric_name=False,
        enable_version_counter=False,
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


def require_fit(path: Path, model: SequenceModel) -> None:
    """Make sure that a run of `model` can go on from a checkpoint.

    Raises:
        InputError: the file is no checkpoint, or its weights are those of another model.
    """
    try:
        model.load_state_dict(read(path)["state_dict"])
    except (KeyError, RuntimeError) as error:
        raise InputError(
            f"ckpt_path={path}: holds the weights of another model; give the run's own model and data options"
        ) from error


def load(run: Path) -> SequenceModel:
    """The model of a run's folder or checkpoint file, in eval mode on the CPU."""
    path = find(run)
    return load_model(read(path), str(path))
