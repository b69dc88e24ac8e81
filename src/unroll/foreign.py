"""Files from other people: plain values within bounds; nothing in them is looked up or executed."""

import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from unroll.errors import InputError
from unroll.paths import read

MOST_JSON_BYTES = 64 * 2**20
MOST_YAML_BYTES = 256 * 2**10
"""A config has a few thousand bytes. A vocabulary, which is larger, is JSON."""

MOST_PLAIN_VALUES = 3_000_000
MOST_NESTED_LEVELS = 16


def require_plain(values: Any, name: str) -> None:
    """Raise an `InputError` that begins with `name` unless values are dicts, lists, texts, numbers and null.

    A value that occurs in several places counts each time: a small graph in memory may be a giant tree.
    """
    waiting = [(values, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MOST_NESTED_LEVELS:
            raise InputError(
                f"{name}: is nested more than {MOST_NESTED_LEVELS} deep; give a file that a run has written"
            )
        if count > MOST_PLAIN_VALUES:
            raise InputError(
                f"{name}: holds more than {MOST_PLAIN_VALUES:,} values; give a file that a run has written"
            )
        if value is None or isinstance(value, str | bool | float):
            continue
        if isinstance(value, dict):
            waiting += [(key, depth + 1) for key in value]
            waiting += [(each, depth + 1) for each in value.values()]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]
        elif not isinstance(value, int) or not -(2**63) <= value < 2**63:
            kind = type(value).__name__
            raise InputError(
                f"{name}: holds a {kind}, which is not a plain value; give a file that a run has written"
            )


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: the file cannot be read, is too large, or does not hold an object.
    """
    text = _text(path, MOST_JSON_BYTES)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error
    return _mapping(values, path)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file that passes `require_plain_yaml`. Texts with `${…}` stay as they are.

    Raises:
        InputError: the file cannot be read, or does not hold a mapping.
    """
    text = require_plain_yaml(path)
    try:
        values = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    return _mapping(values, path)


def require_plain_yaml(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        InputError: it cannot be read, is too large or nested too deep, names code that Hydra would run, or
            has an alias: nested aliases can fill the memory ("billion laughs").
    """
    text = _text(path, MOST_YAML_BYTES)
    depth = 0
    try:
        for event in yaml.parse(text, _Loader):
            if isinstance(event, yaml.AliasEvent):
                raise InputError(
                    f"{path}:{_line(event)}: holds the alias *{event.anchor}; write the value in its place"
                )
            if isinstance(event, yaml.ScalarEvent) and event.value == "_target_":
                raise InputError(f"{path}:{_line(event)}: _target_ names code to run; remove it")
            if isinstance(event, yaml.CollectionStartEvent | yaml.CollectionEndEvent):
                depth += 1 if isinstance(event, yaml.CollectionStartEvent) else -1
                if depth > MOST_NESTED_LEVELS:
                    raise InputError(
                        f"{path}:{_line(event)}: is nested more than {MOST_NESTED_LEVELS} deep; mend it"
                    )
            if (getattr(event, "tag", None) or "").startswith("tag:yaml.org,2002:python"):
                raise InputError(f"{path}:{_line(event)}: {event.tag} names code to run; remove it")
    except yaml.YAMLError as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    return text


_Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1


def _text(path: Path, most: int) -> str:
    try:
        return read(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text (byte {error.start})") from error


def _mapping(values: Any, path: Path) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no keys and values; give a file that a run has written")
    require_plain(values, str(path))
    return {str(key): value for key, value in values.items()}
