"""The config part of a component's file: what there is to know of a config without importing torch.

Importing a component's file imports torch, 2 to 3 s, and a misspelt key or a wrong value has to be told in
under one. So of each file only the config part is executed for that, as a module of its own:

- enums, and the classes whose names end in Config;
- what the file imports from the modules in `LIGHT`;
- the enums and Config classes that these classes use of other files.

The rule is that a config class uses nothing else, in its fields and in its methods.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from unroll.config.broken_files import PACKAGE, component_errors, place
from unroll.errors import InputError

LIGHT = {
    "dataclasses",
    "enum",
    "math",
    "pathlib",
    "typing",
    "omegaconf",
    "unroll.errors",
    "unroll.paths",
    "unroll.config.components",
    "unroll.config.registry",
    "unroll.spec",
}
"""Modules that a config part may import from."""

RULE = (
    "a config class may use only enums and classes named …Config, of this file or of others, and what is "
    f"imported from {', '.join(sorted(LIGHT))}"
)

ENUMS = {"Enum", "IntEnum", "StrEnum"}

_PREFIX = "unroll.config_part."
_parts: dict[str, ModuleType] = {}  # not in sys.modules: what pickles classes by name would look there


def load(module: str) -> ModuleType:
    """Execute the config part of a module of Unroll, once.

    Raises:
        InputError: the file is broken, or breaks the rule.
    """
    if module not in _parts:
        part = _parts[module] = ModuleType(_PREFIX + module)
        try:
            with component_errors():
                _execute(path_of(module), part)
        except BaseException:
            del _parts[module]
            raise
    return _parts[module]


def is_of_part(cls: type) -> bool:
    """Whether a class was made by executing a config part, not by importing its file."""
    return cls.__module__.startswith(_PREFIX)


def module_of(cls: type) -> str:
    """The module that a class is written in, whichever way it was made."""
    return cls.__module__.removeprefix(_PREFIX)


def path_of(module: str) -> Path:
    """The file of a module of Unroll."""
    return PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")


def _execute(file: Path, part: ModuleType) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    inside = [node for node in tree.body if _belongs(node)]
    outside = {name: node for node in tree.body if node not in inside for name in _binds(node)}
    known = {name for node in inside for name in _binds(node)}
    for name, line in _uses([node for node in inside if isinstance(node, ast.ClassDef)]):
        if name in outside and name not in known:
            part.__dict__[name] = _of_another_file(outside[name], name, place(file, line))
            known.add(name)
    tree.body = inside
    exec(compile(tree, str(file), "exec"), part.__dict__)


def _belongs(node: ast.stmt) -> bool:
    match node:
        case ast.ImportFrom(module=module):
            return module in LIGHT
        case ast.Import(names=modules):
            return all(alias.name in LIGHT for alias in modules)
        case ast.ClassDef(name=name, bases=bases):
            return name.endswith("Config") or any(
                ast.unparse(base).rpartition(".")[2] in ENUMS for base in bases
            )
        case _:
            return False


def _binds(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module gives a value."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.alias):
            yield inner.asname or inner.name.partition(".")[0]
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id


def _uses(classes: list[ast.ClassDef]) -> Iterator[tuple[str, int]]:
    """The names that classes use and do not bind themselves, each with a line that does."""
    for node in classes:
        names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]
        own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        own |= {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
        yield from ((name.id, name.lineno) for name in names if name.id not in own)


def _of_another_file(node: ast.stmt, name: str, used: str) -> object:
    """An enum or Config class that a file imports from another one of Unroll.

    Raises:
        InputError: it is none.
    """
    if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("unroll."):
        original = next(alias.name for alias in node.names if name in (alias.asname, alias.name))
        found = load(node.module).__dict__.get(original) if path_of(node.module).is_file() else None
        if isinstance(found, type):
            return found
    raise InputError(f"{used}: {name} is not there when configs are checked; {RULE}")
