"""docs/configuration.md, made of the config dataclasses and the files of conf/: `make reference`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_type_hints

from unroll.config import registry
from unroll.config.broken_files import place
from unroll.config.choices import choices, said, schema_of, written
from unroll.config.compose import CONF
from unroll.config.keys import Key, keys_of, meaning_of, shown
from unroll.config.root import TrainConfig

HEAD = """\
# Configuration

Every key that can be set, with its default and what it means. What a name sets differently stands beside it.
`python train.py --cfg job` prints all values of a command, `unroll keys model=seq2seq` what this page says of
a choice. `make reference` makes the page, from the config dataclasses and `conf/`.
"""


def reference() -> str:
    """The page."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    hints = get_type_hints(TrainConfig)
    groups = {key: hint for key, hint in hints.items() if (CONF / key).is_dir()}
    root = [key for key in keys_of(TrainConfig) if key.path.partition(".")[0] not in groups]
    yield from ("## The run", "", *_table(root))
    for group in [*registry.GROUPS, *(key for key in groups if key not in registry.GROUPS)]:
        owner, _, key = group.rpartition("/")
        meaning = meaning_of(TrainConfig, key) if not owner else ""
        yield from (f"## {group}", "", *([f"{meaning[0].upper()}{meaning[1:]}.", ""] if meaning else []))
        if group in registry.GROUPS:
            yield from _components(group)
        else:
            yield from (*_names(group, group), *_table(keys_of(groups[group], group)))


def _components(group: str) -> Iterator[str]:
    """The keys that all entries of a group have alike, and then each entry's."""
    keys = {name: list(keys_of(registry.config_class(group, name), group)) for name in registry.names(group)}
    first, *others = keys.values()
    shared = [key for key in first if all(key in other for other in others)]
    if shared:
        yield from ("Every choice has", "", *_table(shared))
    for name, own in keys.items():
        file = place(registry.file_of(group, name))
        yield from (f"### {name}", "", f"[{file}](../{file})", "", *_names(group, f"{group}/{name}"))
        yield from _table([key for key in own if key not in shared])


def _names(group: str, schema: str) -> Iterator[str]:
    """The names in a group that start from a schema, and what they set differently."""
    for name in choices(CONF, group):
        file = CONF / group / f"{name}.yaml"
        if schema_of(file) == schema:
            what = said(file).replace(f" ({_source(schema)})", "")
            yield f"- `{group}={name}`: {what}{_differences(file)}"
    yield ""


def _source(schema: str) -> str:
    group, _, name = schema.rpartition("/")
    return place(registry.file_of(group, name)) if group in registry.GROUPS else ""


def _differences(file: Path) -> str:
    values = [f"{key}={shown(value)}" for key, value in written(file).items() if key != "name"]
    return f" `{'`, `'.join(values)}`" if values else ""


def _table(keys: Iterable[Key]) -> Iterator[str]:
    rows = list(keys)
    if rows:
        yield from ("| key | default | what it means |", "|---|---|---|")
    for key in rows:
        meaning = f"{key.meaning} ({', '.join(key.options)})" if key.options else key.meaning
        value = f"`{key.value}`" if key.value else ""
        yield f"| `{key.path}` | {value} | {meaning.replace('|', chr(92) + '|')} |"
    if rows:
        yield ""


if __name__ == "__main__":
    print(reference(), end="")
