"""Options that are lists: what click calls with the text of one."""

import click

from unroll import registry
from unroll.errors import InputError, nearest

Cells = dict[str, dict[str, str]]
"""The plain configs of cells, by the words that asked for them."""


def cells(context: click.Context, option: click.Parameter, text: str) -> Cells:
    """Of cells with commas between, each a name and, after colons, settings: `lstm,lstm:forget_bias=3`."""
    return {word: _cell(option.opts[0], word) for word in text.split(",")}


def numbers(context: click.Context, option: click.Parameter, text: str) -> list[int]:
    """Of whole numbers of 1 or more with commas between: `50,100,200`."""
    found = []
    for word in text.split(","):
        if not (word.strip().isdecimal() and int(word) >= 1):
            raise InputError(
                f"{option.opts[0]} {text}: '{word}' is not a whole number of 1 or more; "
                "give such with commas between, as 50,100"
            )
        found.append(int(word))
    return found


def _cell(option: str, text: str) -> dict[str, str]:
    """The plain config of a cell, once it is known to be right."""
    name, *settings = text.split(":")
    known = registry.names("model/cell")
    if name not in known:
        raise InputError(f"{option} {text}: no such cell, {nearest(name, known)}")
    for setting in settings:
        if "=" not in setting:
            raise InputError(f"{option} {text}: '{setting}' is no setting; give KEY=VALUE after the colon")
    values = {"name": name, **dict(setting.split("=", 1) for setting in settings)}
    try:
        registry.from_dict("model/cell", values, light=True)
    except InputError as error:
        raise InputError(f"{option} {text}: {str(error).removeprefix('model.cell.')}") from error
    return values
