"""Name ↔ config dataclass ↔ class.

A component is one Python file with a config dataclass and the class that it configures:

    @register("model/cell", "gru")
    @dataclass(kw_only=True, slots=True)
    class GRUConfig(CellConfig):
        name: str = "gru"

    @builds(GRUConfig)
    class GRU(Cell): ...

Nothing else lists it: the registry finds `@register("GROUP", "NAME")` in the files of the group's package.

Until something is built, only the config part of a file is executed (`config_part`), so that its config class
is there without torch. `build` imports the file, whose config class then takes the place of the other.
"""

import dataclasses
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unroll.config import config_part
from unroll.config.broken_files import PACKAGE, component_errors, place
from unroll.config.plain import plain
from unroll.errors import InputError, nearest


@dataclass(kw_only=True, slots=True)
class Config:
    """Base of every component's config.

    `__post_init__` of a subclass checks ranges with `require`. It calls that of its base by name, as in
    `DataConfig.__post_init__(self)`: with `slots=True` the decorator makes the class anew, and `super()`
    without arguments would look for the one that it was made from.

    Attributes:
        name: the entry of the registry that it configures; choose it with the group
    """

    name: str = MISSING


def require(config: object, key: str, holds: bool, expected: str) -> None:
    """Raise an `InputError` about `config.key` unless the condition `holds`."""
    if not holds:
        raise InputError(f"{key}={getattr(config, key)}: must be {expected}")


GROUPS = {
    "model": "unroll.models",
    "model/cell": "unroll.nn.cells",
    "model/block": "unroll.nn.blocks",
    "model/embedding": "unroll.nn.embeddings",
    "model/front_end": "unroll.nn.front_ends",
    "model/attention": "unroll.nn.attention",
    "data": "unroll.data",
    "optimizer": "unroll.nn.optimizers",
    "scheduler": "unroll.nn.schedulers",
}
"""The package that the entries of each config group live in."""

SINCE = {"model/block": "plain"}
"""Groups that configs of older runs lack, and what those runs had."""

C = TypeVar("C", bound=type)
_ENTRY = re.compile(r"""^@register\(\s*["']([\w/]+)["'],\s*["'](\w+)["'],?\s*\)""", re.MULTILINE)
_configs: dict[tuple[str, str], type[Config]] = {}
_entries: dict[type[Config], tuple[str, str]] = {}
_builders: dict[type[Config], Callable[..., Any]] = {}


def register(group: str, name: str) -> Callable[[C], C]:
    """Enter a config dataclass into the registry."""

    def enter(config: C) -> C:
        if not (config_part.is_of_part(config) and (group, name) in _configs):
            _configs[group, name] = config
        _entries[config] = group, name
        return config

    return enter


def builds(config: type[Config]) -> Callable[[Any], Any]:
    """Declare that a class or function builds what `config` describes; it takes the config first."""

    def enter(builder: Any) -> Any:
        _builders[config] = builder
        return builder

    return enter


def build(config: Config, *args: Any) -> Any:
    """Build the component that a config describes.

    Raises:
        InputError: its file is broken: it cannot be imported, or what builds the component raises.
    """
    if type(config) in _entries:  # a builder can also be declared for a config of no entry
        group, name = _entries[type(config)]
        module = config_part.module_of(type(config))
        with component_errors():
            importlib.import_module(module)  # does nothing where it has been imported
        if type(config) is not _configs[group, name]:
            config = typed(_configs[group, name], to_dict(config), group)
        if type(config) not in _builders:
            file, decorator = place(config_part.path_of(module)), f"@builds({type(config).__name__})"
            raise InputError(f"{file}: nothing builds {group}={name}; put {decorator} on a class")
    builder = _builders[type(config)]
    with component_errors(builder):
        return builder(config, *args)


@cache
def names(group: str) -> dict[str, str]:
    """The entries of a group, and the module that each is written in."""
    found = {}
    for file in sorted(config_part.path_of(GROUPS[group]).with_suffix("").rglob("*.py")):
        module = ".".join(("unroll", *file.relative_to(PACKAGE).with_suffix("").parts))
        for entry in _ENTRY.finditer(file.read_text(encoding="utf-8", errors="replace")):
            if entry[1] == group:
                found[entry[2]] = module
    return found


def file_of(group: str, name: str) -> Path:
    """The file that an entry is written in."""
    return config_part.path_of(names(group)[name])


def config_class(group: str, name: str) -> type[Config]:
    """The config dataclass of an entry: that of its file's config part until the file is imported.

    Raises:
        InputError: there is no such entry, or its file is broken.
    """
    if name not in names(group):
        key = group.replace("/", ".")
        raise InputError(f"{key}.name={name}: no such entry, {nearest(name, names(group))}")
    if (group, name) not in _configs:
        config_part.load(names(group)[name])
        if (group, name) not in _configs:
            raise InputError(
                f'{place(file_of(group, name))}: @register("{group}", "{name}") stands on no config; let the '
                "name of its class end in Config"
            )
    return _configs[group, name]


def from_dict(group: str, values: dict[str, Any]) -> Any:
    """The typed config of an entry from plain values, as in a checkpoint or a composed config.

    Raises:
        InputError: an unknown key, a value of the wrong type or out of range, by its full key.
    """
    _require_keys(values, group)
    return typed(config_class(group, str(values.get("name"))), values, group)


def typed(cls: type[Any], values: dict[str, Any], group: str = "") -> Any:
    """A config dataclass filled with plain values; its fields that are groups become entries of them.

    Raises:
        InputError: as `from_dict`.
    """
    _require_keys(values, group)
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    rest, nested = {}, {}
    older = {path.removeprefix(f"{group}/"): name for path, name in SINCE.items()}
    since = {key: {"name": older[key]} for key in older.keys() & fields.keys() - values.keys()}
    for key, value in {**values, **since}.items():
        path = f"{group}/{key}".lstrip("/")
        if key not in fields:
            raise InputError(f"{path.replace('/', '.')}={value}: no such key, {nearest(key, fields)}")
        if path in GROUPS:
            nested[key] = from_dict(path, value)
        elif dataclasses.is_dataclass(hints[key]):
            _require_keys(value, path)
            nested[key] = typed(hints[key], {**_default(fields[key]), **value}, path)
        elif _looks_up(value):
            full = path.replace("/", ".")
            raise InputError(f"{full}={value}: ${{…}} is not looked up here; write the value itself")
        else:
            rest[key] = value
    prefix = f"{group.replace('/', '.')}." if group else ""
    with component_errors():
        try:
            config = OmegaConf.merge(OmegaConf.structured(cls), rest)
            for key, value in nested.items():
                OmegaConf.update(config, key, value)
            built = OmegaConf.to_object(config)
            for key, value in rest.items():
                require(built, key, _fits(value), "of whole numbers between -2^63 and 2^63")
            return built
        except OmegaConfBaseException as error:
            if type(error.__context__) is TypeError:  # of a `__post_init__`: a defect of its file
                raise error.__context__ from None
            reason = str(error).splitlines()[0]
            raise InputError(f"{prefix}{error.full_key}: {reason}") from error
        except InputError as error:
            raise InputError(f"{prefix}{error}") from error


def _require_keys(values: Any, group: str) -> None:
    if not isinstance(values, dict):
        key = group.replace("/", ".") or "the config"
        raise InputError(f"{key}={values}: must be keys and values")


def _default(field: "dataclasses.Field[Any]") -> dict[str, Any]:
    """The plain default of a field that holds keys of its own: not always that of its class."""
    return {} if field.default_factory is dataclasses.MISSING else to_dict(field.default_factory())


def _fits(value: Any) -> bool:
    """Whether whole numbers fit into 64 bits: others are lost in checkpoints."""
    if isinstance(value, list):
        return all(map(_fits, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _looks_up(value: Any) -> bool:
    """Whether OmegaConf would put something else in a value's place: a variable of the environment, say."""
    if isinstance(value, dict):
        return any(map(_looks_up, [*value, *value.values()]))
    return any(map(_looks_up, value)) if isinstance(value, list) else isinstance(value, str) and "${" in value


def to_dict(config: object) -> dict[str, Any]:
    """Plain dicts, lists, strings and numbers of a typed config: the inverse of `from_dict`.

    Of a config's class it gives the defaults.
    """
    return plain(OmegaConf.structured(config))
