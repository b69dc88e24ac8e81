"""What `unroll keys` prints."""

import dataclasses
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_type_hints

from omegaconf import DictConfig, OmegaConf

from unroll.config import registry
from unroll.config.choices import choices, said, schema_of
from unroll.config.compose import CONF, compose
from unroll.config.keys import Key, keys_of
from unroll.config.plain import plain
from unroll.config.root import TrainConfig
from unroll.errors import InputError, nearest

WIDEST_VALUE = 24
WIDTH = 110


def explain(words: Sequence[str]) -> Iterator[str]:
    """A text for each word: the keys of a choice, GROUP=NAME, or a group's choices; without any, the root's.

    Raises:
        InputError: no such group or choice, or one without keys of its own.
    """
    chosen = [word for word in words if "=" in word]
    composed = compose([*_holder(chosen), *chosen])
    for word in words:
        _require_group(word.partition("=")[0])
    if not words:
        yield _root(composed)
    for word in words:
        group, _, name = word.partition("=")
        yield _choice(group, name, composed) if "=" in word else _choices(group)


def _require_group(group: str) -> None:
    groups = [str(folder.relative_to(CONF)) for folder in CONF.rglob("*") if folder.is_dir()]
    if group not in groups:
        raise InputError(f"{group}: no such group, {nearest(group, groups)}")


def _holder(chosen: list[str]) -> list[str]:
    """The word for a model that has the groups which are chosen, where no model is."""
    parts = [word.partition("=")[0].removeprefix("model/") for word in chosen if word.startswith("model/")]
    if not parts or any(word.startswith("model=") for word in chosen):
        return []
    for name in choices(CONF, "model"):
        schema = schema_of(CONF / "model" / f"{name}.yaml") or ""
        with suppress(InputError):  # of a broken file, which another model may do without
            config = registry.config_class("model", schema.removeprefix("model/"))
            if {*parts} <= {field.name for field in dataclasses.fields(config)}:
                return [f"model={name}"]
    return []


def _root(composed: DictConfig) -> str:
    values = {**plain(composed), "run_dir": plain(OmegaConf.load(CONF / "train.yaml"))["run_dir"]}
    groups = {key for key in values if (CONF / key).is_dir()}
    keys = [key for key in keys_of(TrainConfig, "", values) if key.path.partition(".")[0] not in groups]
    text = _table([*keys, *(Key(f"{group}=…", "", _listed(group)) for group in sorted(groups))])
    return f"{said(CONF / 'train.yaml')}\n\n{text}"


def _choices(group: str) -> str:
    return _table([Key(f"{group}={name}", "", said(_file(group, name))) for name in choices(CONF, group)])


def _choice(group: str, name: str, composed: DictConfig) -> str:
    file = _file(group, name)
    node = OmegaConf.select(composed, group.replace("/", "."))
    if schema_of(file) is None and not isinstance(node, DictConfig):
        file = file.relative_to(CONF.parent)
        raise InputError(f"{group}={name}: has no keys of its own; {file} sets those of others")
    values = plain(node)
    known = group in registry.GROUPS
    config = registry.config_class(group, values["name"]) if known else get_type_hints(TrainConfig)[group]
    keys = list(keys_of(config, group, values))
    text = _table(keys) if keys else "  It has no keys."
    return f"{group}={name}\n{said(file)}\n\n{text}"


def _file(group: str, name: str) -> Path:
    return CONF / group / f"{name}.yaml"


def _listed(group: str) -> str:
    return ", ".join(choices(CONF, group))


def _meaning(key: Key) -> str:
    if key.group is not None:
        return f"{key.meaning}; a group: {key.group}={', '.join(choices(CONF, key.group))}"
    return f"{key.meaning} ({', '.join(key.options)})" if key.options else key.meaning


def _table(keys: Iterable[Key]) -> str:
    """Keys, values and meanings under one another."""
    rows = [(key.path, key.value, _meaning(key)) for key in keys]
    first = max(len(path) for path, _, _ in rows)
    second = max((len(value) for _, value, _ in rows if len(value) <= WIDEST_VALUE), default=0)
    width = min(shutil.get_terminal_size((WIDTH, 0)).columns, WIDTH)
    lines = []
    for path, value, meaning in rows:
        start = f"  {path:{first}}  {value:{second}}  " if second else f"  {path:{first}}  "
        after = " " * (first + second + (6 if second else 4))
        if len(value) > second:  # what it means begins on a line of its own
            lines.append(start.rstrip())
            start = after
        lines.append(textwrap.fill(meaning, width, initial_indent=start, subsequent_indent=after).rstrip())
    return "\n".join(lines)
