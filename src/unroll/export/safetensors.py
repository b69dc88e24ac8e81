"""A model to share: its weights as safetensors, everything else as JSON. No pickle, no code."""

import itertools
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from unroll import __version__
from unroll.errors import InputError
from unroll.models.base import SequenceModel
from unroll.redact import redacted
from unroll.runs.files import write as write_whole
from unroll.runs.folder import RunFolder

CONFIG_FILE = "config.json"
EXPORT_FORMAT = "unroll 1"

MODEL_KEYS = ("model", "spec", "optimizer", "scheduler")
"""The keys of a model under `hyper_parameters` of a checkpoint."""


def write(folder: Path, model: SequenceModel, checkpoint: dict[str, Any]) -> tuple[Path, ...]:
    """Write model.safetensors and config.json for a model that was loaded from a checkpoint.

    Programs in the folder are removed, since they may belong to another model.
    """
    for path in files(folder)[2:]:
        path.unlink(missing_ok=True)
    data = checkpoint.get("datamodule_hyper_parameters", {})
    config = {
        "format": EXPORT_FORMAT,
        **{part: checkpoint["hyper_parameters"][part] for part in MODEL_KEYS},
        "data": redacted(data.get("data")),
        "seed": data.get("seed"),
        "versions": {"unroll": __version__, **{name: version(name) for name in ("torch", "safetensors")}},
    }
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_whole(folder / RunFolder.WEIGHTS_FILE, save(weights, {"format": "pt"}))
    write_whole(folder / CONFIG_FILE, json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    return folder / RunFolder.WEIGHTS_FILE, folder / CONFIG_FILE


def files(folder: Path) -> tuple[Path, ...]:
    """The files that an export writes or removes: its weights, its config, its programs."""
    programs = itertools.product(("model", "encoder", "decoder"), (".pt2", ".onnx"))
    names = (RunFolder.WEIGHTS_FILE, CONFIG_FILE, *("".join(parts) for parts in programs))
    return tuple(folder / name for name in names)


def is_export(folder: Path) -> bool:
    """Whether a folder holds an export of Unroll."""
    try:
        return RunFolder(folder).read_values(folder / CONFIG_FILE).get("format") == EXPORT_FORMAT
    except InputError:
        return False


def read(path: Path) -> dict[str, Any]:
    """The content of an export (model.safetensors and config.json beside it) in the form of a checkpoint.

    Raises:
        InputError: a file cannot be read, or is not from an export of Unroll.
    """
    config = RunFolder(path.parent).read_values(path.with_name(CONFIG_FILE))
    if config.get("format") != EXPORT_FORMAT:
        raise InputError(
            f"{path.with_name(CONFIG_FILE)}: is not an export of Unroll; give what unroll export wrote"
        )
    try:
        weights = load_file(path)
    except Exception as error:  # the file may be torn or forged
        raise InputError(
            f"{path}: cannot be read ({error!r:.100}); give a file that unroll export wrote"
        ) from error
    return {
        "state_dict": weights,
        "hyper_parameters": {part: config.get(part) for part in MODEL_KEYS},
        "datamodule_hyper_parameters": {"data": config.get("data"), "seed": config.get("seed")},
    }
