"""Cells on a command line: a name and, after colons, settings, as lstm:forget_bias=3."""

from unroll.config import registry
from unroll.config.components import CellConfig, RecurrentConfig
from unroll.errors import InputError, nearest


def read_cell(option: str, text: str) -> dict[str, str]:
    """The checked plain config of a cell.

    Raises:
        InputError: there is no such cell or setting; the message begins with the option or key.
    """
    name, *settings = text.split(":")
    known = registry.names("model/cell")
    if name not in known:
        raise InputError(f"{option} {text}: no such cell, {nearest(name, known)}")
    for setting in settings:
        if "=" not in setting:
            raise InputError(f"{option} {text}: '{setting}' is not a setting; give KEY=VALUE after the colon")
    values = {"name": name, **dict(setting.split("=", 1) for setting in settings)}
    try:
        registry.from_dict("model/cell", values)
    except InputError as error:
        raise InputError(f"{option} {text}: {str(error).removeprefix('model.cell.')}") from error
    return values


def cells_of(config: RecurrentConfig) -> list[CellConfig]:
    """The config of the cell of each layer, from below."""
    if not config.layers:
        return [config.cell] * config.num_layers
    return [registry.from_dict("model/cell", read_cell("model.layers:", text)) for text in config.layers]
