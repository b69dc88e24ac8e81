"""What can be set: every key of a config dataclass, its default, and what it means.

What a key means stands in one place: the section "Attributes:" in the docstring of its dataclass, or of one
that this inherits from.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_type_hints

from unroll.config import registry


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the config; one that only holds others has no value.

    `options` are the values of an enum; `group` is that which it is chosen from, if any.
    """

    path: str
    value: str
    meaning: str
    options: tuple[str, ...] = ()
    group: str | None = None


def keys_of(cls: type, group: str = "", values: Mapping[str, Any] | None = None) -> Iterator[Key]:
    """The keys of a config dataclass that stands under `group`, with these values or its defaults.

    The `name` of a component is none: one chooses it with the group.
    """
    if values is None:
        values = registry.to_dict(cls)
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        path = f"{group}/{field.name}".lstrip("/")
        key, meaning, hint = path.replace("/", "."), meaning_of(cls, field.name), hints[field.name]
        if field.name == "name" and issubclass(cls, registry.Config):
            continue
        if path in registry.GROUPS:
            value = values[field.name]
            yield Key(key, value["name"] if isinstance(value, dict) else "", meaning, group=path)
        elif isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield Key(key, "", meaning)
            yield from keys_of(hint, path, values[field.name])
        else:
            options = tuple(hint.__members__) if isinstance(hint, type) and issubclass(hint, Enum) else ()
            yield Key(key, shown(values[field.name]), meaning, options)


def meaning_of(cls: type, key: str) -> str:
    """What a key of a config dataclass means; nothing where no docstring says it."""
    for base in cls.__mro__:
        _, _, attributes = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE):
            if name == key:
                return " ".join(text.split())
    return ""


def shown(value: Any) -> str:
    """A value as one writes it on the command line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {shown(item)}' for key, item in value.items())}}}"
        case _:
            return "" if value == "???" else str(value)
