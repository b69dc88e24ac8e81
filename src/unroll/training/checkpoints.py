"""Writes checkpoints for Lightning, reads them, and checks them before they are used."""

import io
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor
from torch.nn import Parameter

from unroll.errors import InputError, UnrollError
from unroll.export import safetensors
from unroll.foreign import require_plain
from unroll.models.base import SequenceModel, load_model
from unroll.nn.optimizers.groups import as_saved
from unroll.paths import require_regular
from unroll.runs import archive
from unroll.runs.checkpoints import checksum_holds, find, is_archive, seal
from unroll.runs.effect import first_difference, kept
from unroll.runs.files import write
from unroll.runs.folder import RunFolder
from unroll.spec import DataSpec


class CheckpointFiles(CheckpointIO):
    """Writes and reads checkpoints for Lightning. The previous last.ckpt is kept as last.ckpt.prev.

    Attributes:
        failure: the error of the last write, so that all processes can end together; None after a success.
    """

    failure: OSError | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        path = Path(path)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        self.failure = None
        try:
            path.parent.mkdir(exist_ok=True)
            write(path, seal(buffer.getvalue()), keep_previous=path.name == RunFolder.LAST_CHECKPOINT)
        except OSError as error:
            self.failure = error

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint file: tensors and plain values, never code.

    Raises:
        InputError: the file is unreadable, or holds something else.
    """
    require_regular(path)
    if path.name == RunFolder.WEIGHTS_FILE:
        return safetensors.read(path)
    if not is_archive(path):
        raise InputError(f"{path}: not a checkpoint, or a torn one; give a .ckpt file that a run has written")
    if checksum_holds(path) is False:
        raise InputError(f"{path}: its checksum does not match: it is torn or was changed; give another")
    archive.require_harmless(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: holds more than tensors and plain values, and is not loaded") from error
    except Exception as error:  # a torn or forged file can fail anywhere in the unpickler
        raise InputError(f"{path}: not a readable checkpoint ({error!r:.100})") from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path}: not a checkpoint of Unroll; give one that a run has written")
    for part in ("hyper_parameters", "datamodule_hyper_parameters"):
        require_plain(checkpoint.get(part), f"{path}: {part}")
    return checkpoint


def require_fit(
    path: Path, model: SequenceModel, key: str = "", max_epochs: int | None = None
) -> dict[str, Any]:
    """The content of a checkpoint from which a run of `model` can resume. Messages begin with `key`.

    Raises:
        InputError: the file is not a checkpoint, belongs to another model, data set, optimizer or schedule,
            or has `max_epochs` epochs already.
    """
    checkpoint = read(path)
    try:
        model.load_state_dict(checkpoint["state_dict"])
        saving = checkpoint["callbacks"]["Saving"]
        _require_place(saving["logged"])
        require_plain(saving.get("config"), f"{path}: config")
        optimizer = checkpoint["optimizer_states"][0]
        groups = as_saved(model, model.optimizer_config, optimizer["param_groups"])
        _require_shapes(optimizer["state"], [each for group in groups for each in group["params"]])
        old, new = checkpoint["hyper_parameters"], model.hparams
        same = {part: old[part]["name"] == new[part]["name"] for part in ("optimizer", "scheduler")}
        same["data"] = DataSpec.from_dict(old["spec"]) == model.spec
        epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        if not (type(epochs) is type(checkpoint["global_step"]) is int):
            raise TypeError("the numbers of epochs and steps are not whole numbers")
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{key}{path}: belongs to a run with another model; give the model and data options of that run"
        ) from error
    for part, is_same in same.items():
        if not is_same:
            raise InputError(
                f"{key}{path}: belongs to a run whose {part} differs; give the {part} of that run"
            )
    if max_epochs is not None and epochs >= max_epochs:
        raise InputError(
            f"trainer.max_epochs={max_epochs}: {path} has {epochs} epochs already; give more to continue"
        )
    return checkpoint


def require_same_config(checkpoint: dict[str, Any], config: dict[str, Any], folder: RunFolder) -> None:
    """Raise an `InputError` if the config of a run to resume in its folder has changed since it was saved.

    The checkpoint of an older run knows only what the run learned from, and its seed.
    """
    before = checkpoint["callbacks"]["Saving"].get("config")
    if before is None:
        data = checkpoint.get("datamodule_hyper_parameters")
        before = kept(data) if isinstance(data, dict) else {}
    found = first_difference(before, kept(config))
    if found:
        key, was, now = found
        raise InputError(
            f"{folder.config}: {key}={now}: was {was} in the run to resume, which goes on to the same bits; "
            f"give what it was, or start another run with ckpt_path={folder.last}"
        )


def _require_shapes(states: dict[int, dict[str, Any]], parameters: list[Parameter]) -> None:
    """Raise a TypeError unless the tensors of the optimizer have the shapes of their parameters."""
    for index, state in states.items():
        if not 0 <= index < len(parameters):
            raise TypeError("the optimizer has a state for a parameter that does not exist")
        for value in state.values():
            if isinstance(value, Tensor) and value.ndim > 0 and value.shape != parameters[index].shape:
                raise TypeError("the optimizer has a state of another shape than its parameter")


def _require_place(logged: dict[str, Any] | None) -> None:
    """Raise a TypeError if this is not a place of a run's loggers. W&B's id becomes part of a path."""
    if logged is None:
        return
    named = logged["wandb"] is None or re.fullmatch(r"[\w-]{1,64}", logged["wandb"])
    columns = all(type(column) is str for column in logged["columns"])
    digest = isinstance(logged.get("sha256", ""), str)
    if not (type(logged["rows"]) is int and logged["rows"] >= 0 and columns and named and digest):
        raise TypeError("this is not a place of a run's loggers")


@contextmanager
def resuming_from(path: str | Path | None, has_begun: Callable[[], bool]) -> Iterator[None]:
    """Wraps training that resumes from a checkpoint, since Lightning restores whatever the file holds.

    Raises:
        InputError: restoring has failed, before the training `has_begun`.
    """
    try:
        yield
    except Exception as error:
        if path is None or has_begun() or isinstance(error, UnrollError | OSError):
            raise
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise InputError(
            f"{path}: the run cannot be resumed from this checkpoint ({what}); give another"
        ) from error


def load(run: Path) -> SequenceModel:
    """The model of a run's folder or checkpoint file, in eval mode on the CPU."""
    path = find(run)
    return load_model(read(path), str(path))
