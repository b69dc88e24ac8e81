"""A model to give away: its weights as safetensors, all else that makes it as JSON. No pickle, no code."""

import itertools
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from unroll import __version__
from unroll.errors import InputError
from unroll.foreign import read_json
from unroll.models.base import SequenceModel
from unroll.redact import redacted
from unroll.runs.files import write as write_whole
from unroll.runs.folder import RunFolder

CONFIG = "config.json"
FORMAT = "unroll 1"

MODEL = ("model", "spec", "optimizer", "scheduler")
"""What a checkpoint has of a model, under `hyper_parameters`; an optimizer is built with it."""


def write(folder: Path, model: SequenceModel, checkpoint: dict[str, Any]) -> tuple[Path, ...]:
    """model.safetensors and config.json of a model that was loaded from a checkpoint.

    Programs that stand there already are removed: they may be another model's.
    """
    for name, suffix in itertools.product(("model", "encoder", "decoder"), (".pt2", ".onnx")):
        (folder / f"{name}{suffix}").unlink(missing_ok=True)
    data = checkpoint.get("datamodule_hyper_parameters", {})
    config = {
        "format": FORMAT,
        **{part: checkpoint["hyper_parameters"][part] for part in MODEL},
        "data": redacted(data.get("data")),
        "seed": data.get("seed"),
        "versions": {"unroll": __version__, **{name: version(name) for name in ("torch", "safetensors")}},
    }
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_whole(folder / RunFolder.WEIGHTS, save(weights, {"format": "pt"}))
    write_whole(folder / CONFIG, json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    return folder / RunFolder.WEIGHTS, folder / CONFIG


def read(path: Path) -> dict[str, Any]:
    """What a checkpoint would hold, from the model.safetensors of an export and the config.json beside it.

    Raises:
        InputError: one of them cannot be read, or is no export of Unroll.
    """
    config = read_json(path.with_name(CONFIG))
    if config.get("format") != FORMAT:
        raise InputError(f"{path.with_name(CONFIG)}: of no export of Unroll; give what unroll export wrote")
    try:
        weights = load_file(path)
    except Exception as error:  # the file may be torn, or made up
        raise InputError(f"{path}: cannot be read ({error!r:.100}); give what unroll export wrote") from error
    return {
        "state_dict": weights,
        "hyper_parameters": {part: config.get(part) for part in MODEL},
        "datamodule_hyper_parameters": {"data": config.get("data"), "seed": config.get("seed")},
    }
