"""A config from its command line: composed by Hydra, and checked before anything heavy is imported."""

import re
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import hydra
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, QuotedString, Sweep
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from unroll.config import registry
from unroll.config.choices import choices, written
from unroll.config.components import DataConfig
from unroll.config.fitting import fitting_model
from unroll.config.mistakes import composition_errors, of_a_value
from unroll.config.plain import plain
from unroll.config.root import LoggerConfig, TrainConfig, TrainerConfig, load
from unroll.config.sweep import SweepConfig
from unroll.errors import InputError, MissingEnvironmentError
from unroll.foreign import require_plain_yaml
from unroll.paths import given, require_regular
from unroll.spec import Signature

CONF = Path(__file__).parents[3] / "conf"

MULTIPROCESS_LAUNCHERS = ("unroll", "submitit_slurm")
"""Launchers under which a trial's further processes run that trial, not the whole sweep."""

HELP_WIDTH = 100


def compose(overrides: Sequence[str]) -> DictConfig:
    """What train.py would compose of these overrides.

    Raises:
        InputError: one of them is wrong.
        MissingEnvironmentError: Unroll was installed without conf/.
    """
    with composition_errors(CONF):
        overrides = complete(overrides, CONF)
        prepare(overrides, CONF)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra.compose("train", [*overrides, "run_dir=none"])


def complete(overrides: Sequence[str], conf: Path) -> list[str]:
    """These overrides, with a model that fits where they name the data alone."""
    model = fitting_model(overrides, conf)
    return [*overrides, *([] if model is None else [f"model={model}"])]


def prepare(overrides: Sequence[str], conf: Path) -> None:
    """Make Hydra ready to compose these overrides.

    Raises:
        InputError: a group is set to what is no name, or a config file names code to run.
        MissingEnvironmentError: Unroll was installed without conf/.
    """
    if not conf.is_dir():
        raise MissingEnvironmentError(f"{conf}: no such folder; install from a clone, with `make setup`")
    require_harmless(conf)
    _require_names(overrides, conf)
    register()


def check(composed: DictConfig, conf: Path, *, launcher: str | None = None) -> dict[str, Any]:
    """The plain values of a composed config, once they are known to be right. Imports nothing heavy.

    `launcher` is that of a sweep, if the config is one of its trials.

    Raises:
        InputError: a wrong key, type, range, path or combination; no such `ckpt_path`.
    """
    try:
        values = plain(composed, resolve=True, complete=True)
    except OmegaConfBaseException as error:
        raise InputError(of_a_value(error)) from error
    config = load(values)
    if config.trainer.devices != "1" and launcher not in (None, *MULTIPROCESS_LAUNCHERS):
        raise InputError(
            f"trainer.devices={config.trainer.devices}: with hydra/launcher={launcher} the further processes "
            f"would run the whole sweep again; use {' or '.join(MULTIPROCESS_LAUNCHERS)}"
        )
    if config.trainer.num_nodes > 1 and launcher not in (None, "submitit_slurm"):
        raise InputError(
            f"trainer.num_nodes={config.trainer.num_nodes}: hydra/launcher={launcher} runs its trials on one "
            "node; use submitit_slurm"
        )
    signature = config.data.signature()
    if signature not in config.model.accepts:
        fitting = [name for name in choices(conf, "data") if _signature(conf, name) in config.model.accepts]
        raise InputError(
            f"data.name={config.data.name}: model {config.model.name} cannot learn from {signature}; "
            f"data that fit it: {', '.join(fitting)}"
        )
    config.data.require_ready()
    for key in ("run_dir", "ckpt_path"):
        if (text := values[key]) is not None:
            path = given(text, f"{key}={text}")
            values[key] = str(path) if text.startswith("~") else text
    if config.ckpt_path is not None:
        require_regular(Path(values["ckpt_path"]), f"ckpt_path={config.ckpt_path}")
    return values


def help_text(conf: Path) -> str:
    """What `--help` prints: conf/help.txt with the choices of each group it names."""
    text = (conf / "help.txt").read_text(encoding="utf-8")
    return re.sub(
        r"^( +\S+ +)\{([\w/]+)\}", lambda line: _listed(line[1], choices(conf, line[2])), text, flags=re.M
    )


def _listed(start: str, names: list[str]) -> str:
    """Names after the start of a line, wrapped under one another."""
    return textwrap.fill(
        ", ".join(names), HELP_WIDTH, initial_indent=start, subsequent_indent=" " * len(start)
    )


def require_harmless(conf: Path) -> None:
    """Raise an `InputError` where a config file names code to run, which Hydra would do before any check.

    A file may come from somebody else.
    """
    for file in sorted(conf.rglob("*.yaml")):
        require_plain_yaml(file)


def _require_names(overrides: Sequence[str], conf: Path) -> None:
    """Raise an `InputError` where a group is set to what is no name: Hydra's own words say of what kind
    it is, but not of which group."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        group = override.key_or_group
        if override.is_delete() or not ("/" in group or (conf / group).is_dir()):
            continue
        value = override.value()
        for name in value.list if isinstance(value, ChoiceSweep) else [value]:
            if not isinstance(name, str | list | Sweep | Glob | QuotedString):
                known = choices(conf, group)
                fix = f"choose from: {', '.join(known)}" if known else "give a name"
                raise InputError(f"{override.input_line}: no such choice, {fix}")


def register() -> None:
    """Give Hydra the dataclasses, under `schema/`; a broken file is told of where it is asked for."""
    store = ConfigStore.instance()
    for name, schema in (("train", TrainConfig), ("trainer", TrainerConfig), ("logger", LoggerConfig)):
        store.store(name, schema, group="schema")
    store.store("sweep", SweepConfig, group="schema")
    for group in registry.GROUPS:
        for name in registry.names(group):
            with suppress(InputError):
                store.store(name, registry.config_class(group, name), group=f"schema/{group}")


def _signature(conf: Path, data: str) -> Signature | None:
    """The signature of a data set in `conf/data`; None where a file is broken."""
    try:
        config = registry.from_dict("data", written(conf / "data" / f"{data}.yaml"))
    except InputError:
        return None
    assert isinstance(config, DataConfig)
    return config.signature()
