"""The model that fits the data, for a command line that names the data alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from omegaconf import OmegaConf

from unroll.config import registry
from unroll.config.choices import written
from unroll.config.components import ModelConfig
from unroll.config.plain import plain
from unroll.errors import InputError
from unroll.spec import Signature

SET_MODELS = ("experiment", "sweep", "task", "debug")
"""Groups whose files may choose a model."""


def fitting_model(overrides: Sequence[str], conf: Path) -> str | None:
    """The model to add to these overrides. None where they choose one, or the default one fits the data.

    Raises:
        InputError: architectures are to be compared, and no data are given to compare them on.
    """
    given: dict[str, Any] = {
        each.key_or_group: each.value()
        for each in OverridesParser.create().parse_overrides(list(overrides))
        if not each.is_delete()
    }
    if given.get("sweep") == "architectures" and not {"data", "task", "experiment"} & given.keys():
        raise InputError(
            "sweep=architectures: compares on what data? Give them, as data=series data.path=FILE"
        )
    if "data" not in given or "model" in given or _chosen_by_file(given, conf):
        return None
    data = given["data"]
    task = {"task": given["data.task"]} if isinstance(given.get("data.task"), str) else {}
    try:
        signatures = [_signature(conf, str(name), task) for name in _several(data)]
        default = next(each["model"] for each in _defaults(conf) if "model" in each)
        if all(signature in _accepts(default) for signature in signatures):
            return None
        names = [name for name in registry.names("model") if set(signatures) <= set(_accepts(name))]
    except InputError:  # is told of where the config is checked
        return None
    return names[0] if len(names) == 1 else None


def _chosen_by_file(given: dict[str, Any], conf: Path) -> bool:
    files = [conf / group / f"{name}.yaml" for group in SET_MODELS for name in _several(given.get(group))]
    return any("override /model:" in file.read_text(encoding="utf-8") for file in files if file.is_file())


def _several(value: Any) -> list[Any]:
    return list(value.list) if isinstance(value, ChoiceSweep) else [value]


def _defaults(conf: Path) -> list[dict[str, Any]]:
    return [each for each in plain(OmegaConf.load(conf / "train.yaml"))["defaults"] if isinstance(each, dict)]


def _signature(conf: Path, data: str, task: dict[str, str]) -> Signature:
    file = conf / "data" / f"{data}.yaml"
    if not file.is_file():
        raise InputError(f"data={data}: no such choice")
    signature: Signature = registry.from_dict("data", {**written(file), **task}).signature()
    return signature


def _accepts(model: str) -> tuple[Signature, ...]:
    config = registry.config_class("model", model)
    assert issubclass(config, ModelConfig)
    return config.accepts
