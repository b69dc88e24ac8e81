"""Name ↔ config dataclass ↔ class.

A component is one Python file with a config dataclass and the class that it configures:

    @register("model/cell", "gru")
    @dataclass(kw_only=True, slots=True)
    class GRUConfig(CellConfig):
        name: str = "gru"

    @builds(GRUConfig)
    class GRU(Cell): ...

Nothing else lists it: the registry walks the package that belongs to the group.

Importing such a file imports torch, 2 to 3 s, and a misspelt key has to be told in under one. So a
config is checked before anything heavy is imported: of each file only the *config part* is executed:
its enums, the classes whose names end in Config, what they import from `LIGHT`, and the Config classes that
they import from other files. `build` imports the file whole.
"""

import ast
import dataclasses
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unroll.errors import InputError, nearest

LIGHT = {
    "dataclasses",
    "enum",
    "math",
    "pathlib",
    "typing",
    "omegaconf",
    "unroll.errors",
    "unroll.config.components",
    "unroll.config.registry",
    "unroll.spec",
}
"""Modules that a config part may import from."""


@dataclass(kw_only=True, slots=True)
class Config:
    """Base of every component's config. `name` is the entry of the registry that it configures.

    `__post_init__` of a subclass checks ranges with `require`.
    """

    name: str = MISSING


def require(config: object, key: str, holds: bool, expected: str) -> None:
    """Raise an `InputError` about `config.key` unless the condition `holds`."""
    if not holds:
        raise InputError(f"{key}={getattr(config, key)}: must be {expected}")


PACKAGE = Path(__file__).parents[1]

GROUPS = {
    "model": "unroll.models",
    "model/cell": "unroll.nn.cells",
    "model/embedding": "unroll.nn.embeddings",
    "model/front_end": "unroll.nn.front_ends",
    "model/attention": "unroll.nn.attention",
    "data": "unroll.data",
    "optimizer": "unroll.nn.optimizers",
    "scheduler": "unroll.nn.schedulers",
}
"""The package that the entries of each config group live in."""

C = TypeVar("C", bound=type)
_CONFIG_PART = "unroll.config_part."  # prefix of the names of config parts
_parts: dict[str, ModuleType] = {}  # not in sys.modules: what pickles classes by name would look there
_configs: dict[tuple[str, str], type[Config]] = {}  # of whole modules
_light_configs: dict[tuple[str, str], type[Config]] = {}  # of config parts
_builders: dict[type[Config], Callable[..., Any]] = {}


def register(group: str, name: str) -> Callable[[C], C]:
    """Enter a config dataclass into the registry."""

    def enter(config: C) -> C:
        table = _light_configs if config.__module__.startswith(_CONFIG_PART) else _configs
        table[group, name] = config
        return config

    return enter


def builds(config: type[Config]) -> Callable[[Any], Any]:
    """Declare that a class or function builds what `config` describes; it takes the config first."""

    def enter(builder: Any) -> Any:
        _builders[config] = builder
        return builder

    return enter


def build(config: Config, *args: Any) -> Any:
    """Build the component that a config describes."""
    return _builders[type(config)](config, *args)


@cache
def names(group: str) -> dict[str, str]:
    """The entries of a group, and the module that each is written in."""
    home = GROUPS[group]
    for file in sorted(_path(home).rglob("*.py")):
        if "@register(" in file.read_text(encoding="utf-8"):
            _load_config_part(".".join(("unroll", *file.relative_to(PACKAGE).with_suffix("").parts)))
    return {
        name: config.__module__.removeprefix(_CONFIG_PART)
        for (other, name), config in _light_configs.items()
        if other == group
    }


def config_class(group: str, name: str, *, light: bool = False) -> type[Config]:
    """The config dataclass of an entry; with `light`, the one that was read without importing torch."""
    if name not in names(group):
        key = group.replace("/", ".")
        raise InputError(f"{key}.name={name}: no such entry, {nearest(name, names(group))}")
    if light:
        return _light_configs[group, name]
    importlib.import_module(names(group)[name])
    return _configs[group, name]


def from_dict(group: str, values: dict[str, Any], *, light: bool = False) -> Any:
    """The typed config of an entry from plain values, as in a checkpoint or a composed config.

    Raises:
        InputError: an unknown key, a value of the wrong type or out of range, by its full key.
    """
    _require_keys(values, group)
    return typed(config_class(group, str(values.get("name")), light=light), values, group, light=light)


def typed(cls: type[Any], values: dict[str, Any], group: str = "", *, light: bool = False) -> Any:
    """A config dataclass filled with plain values; its fields that are groups become entries of them.

    Raises:
        InputError: as `from_dict`.
    """
    _require_keys(values, group)
    hints = get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls)}
    rest, nested = {}, {}
    for key, value in values.items():
        path = f"{group}/{key}".lstrip("/")
        if key not in known:
            raise InputError(f"{path.replace('/', '.')}={value}: no such key, {nearest(key, known)}")
        if path in GROUPS:
            nested[key] = from_dict(path, value, light=light)
        elif dataclasses.is_dataclass(hints[key]):
            nested[key] = typed(hints[key], value, path, light=light)
        elif _looks_up(value):
            full = path.replace("/", ".")
            raise InputError(f"{full}={value}: ${{…}} is not looked up here; write the value itself")
        else:
            rest[key] = value
    prefix = f"{group.replace('/', '.')}." if group else ""
    try:
        config = OmegaConf.merge(OmegaConf.structured(cls), rest)
        for key, value in nested.items():
            OmegaConf.update(config, key, value)
        return OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{prefix}{error.full_key}: {reason}") from error
    except InputError as error:
        raise InputError(f"{prefix}{error}") from error


def _require_keys(values: Any, group: str) -> None:
    if not isinstance(values, dict):
        key = group.replace("/", ".") or "the config"
        raise InputError(f"{key}={values}: must be keys and values")


def _looks_up(value: Any) -> bool:
    """Whether OmegaConf would put something else in a value's place: a variable of the environment, say."""
    if isinstance(value, dict):
        return any(map(_looks_up, [*value, *value.values()]))
    return any(map(_looks_up, value)) if isinstance(value, list) else isinstance(value, str) and "${" in value


def to_dict(config: object) -> dict[str, Any]:
    """Plain dicts, lists, strings and numbers of a typed config: the inverse of `from_dict`."""
    values = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _path(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")[1:])


def _load_config_part(module: str) -> ModuleType:
    """Execute the config part of a file as a module of its own."""
    light_name = _CONFIG_PART + module
    if light_name in _parts:
        return _parts[light_name]
    file = _path(module).with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    part = _parts[light_name] = ModuleType(light_name)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module not in LIGHT:
            for alias in node.names:
                if alias.name.endswith("Config"):
                    assert node.module is not None
                    part.__dict__[alias.name] = getattr(_load_config_part(node.module), alias.name)
    tree.body = [node for node in tree.body if _is_light(node)]
    exec(compile(tree, str(file), "exec"), part.__dict__)
    return part


def _is_light(node: ast.stmt) -> bool:
    match node:
        case ast.ImportFrom(module=module):
            return module in LIGHT
        case ast.Import(names=modules):
            return all(alias.name in LIGHT for alias in modules)
        case ast.ClassDef(bases=bases):
            return node.name.endswith("Config") or any(ast.unparse(base) == "Enum" for base in bases)
        case _:
            return False
