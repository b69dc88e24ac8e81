"""The files of conf/: which there are, what they say they are, and what they write."""

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from unroll.config.plain import plain


def choices(conf: Path, group: str) -> list[str]:
    """The names that a group can take on the command line."""
    return sorted(file.stem for file in (conf / group).glob("*.yaml"))


def said(file: Path) -> str:
    """What a file says it is: its first line, after the one in which Hydra looks for a package."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = next((line for line in lines if not line.startswith("# @package")), "")
    return comment.removeprefix("#").strip() if comment.startswith("#") else ""


def schema_of(file: Path) -> str | None:
    """The schema that a file starts from, itself or by another one, as data/sine or trainer; None if none."""
    _, schema = _read(file)
    return schema


def written(file: Path) -> dict[str, Any]:
    """The values that a file writes, itself or by the one that it starts from, and the name of its entry."""
    values, _ = _read(file)
    return values


def _read(file: Path) -> tuple[dict[str, Any], str | None]:
    values = plain(OmegaConf.load(file))
    first = next(iter(values.pop("defaults", [])), None)
    if not isinstance(first, str):
        return values, None
    if start := re.match(r"/schema/([\w/]+)@", first):
        group, _, name = start[1].rpartition("/")
        return {"name": name, **values} if group else values, start[1]
    before = file.with_name(f"{first}.yaml")
    if not before.is_file():
        return values, None
    inherited, schema = _read(before)
    return {**inherited, **values}, schema
