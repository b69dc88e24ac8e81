"""The arguments and options that several commands share, and how their values are read."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from unroll.config import registry
from unroll.config.layers import read_cell
from unroll.errors import InputError
from unroll.paths import given

if TYPE_CHECKING:
    from unroll.config.components import CellConfig


class GivenPath(click.ParamType):  # type: ignore[type-arg]  # older versions of click take no type
    """A path on the command line, once it is known that the system can look it up."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Path:
        is_option = isinstance(param, click.Option)
        return given(value, f"{param.opts[0]} {value}" if is_option and param is not None else None)


PATH = GivenPath()

RUN_ARGUMENT = click.argument("run", type=PATH)
WHAT_ARGUMENT = click.argument("what", nargs=-1, required=True)
OPTIONAL_WHAT_ARGUMENT = click.argument("what", nargs=-1)
CSV_OPTION = click.option("--csv", "csv_file", type=PATH, help="Write every number here.")
PICTURE_OPTION = click.option(
    "--output", "picture_file", type=PATH, help="Draw a picture: .png, .svg or .pdf."
)
OVERWRITE_OPTION = click.option("--overwrite", is_flag=True, help="Replace files that exist.")

CellValues = dict[str, dict[str, str]]
"""The plain configs of cells, by the text on the command line that names each."""


def read_cells(context: click.Context, option: click.Parameter, text: str) -> CellValues:
    """Read cells, each a name with optional settings after colons: `lstm,lstm:forget_bias=3`."""
    return {word: read_cell(option.opts[0], word) for word in text.split(",")}


def read_numbers(context: click.Context, option: click.Parameter, text: str) -> list[int]:
    """Read whole numbers of 1 or more, separated by commas: `50,100,200`."""
    found = []
    for word in text.split(","):
        if not (word.strip().isdecimal() and int(word) >= 1):
            raise InputError(
                f"{option.opts[0]} {text}: '{word}' is not a whole number of 1 or more; "
                "separate numbers by commas, for example 50,100"
            )
        found.append(int(word))
    return found


def cell_configs(cells: CellValues) -> "dict[str, CellConfig]":
    """The typed configs of cells."""
    return {name: registry.from_dict("model/cell", values) for name, values in cells.items()}


def require_run(run: Path) -> None:
    """Raise an `InputError` if there is no such file or folder."""
    if not given(run).exists():
        raise InputError(
            f"{run}: no such run; give a run's folder (such as outputs/seq2seq/…/…) or a .ckpt file"
        )


def refuse_options(context: click.Context, kept: tuple[str, ...]) -> None:
    """Raise an `InputError` if WHAT is given together with an option that only applies to cells."""
    for option in context.command.params:
        assert option.name is not None
        given = context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if given and option.name not in kept:
            raise InputError(
                f"{option.opts[0]}: applies only to cells; leave it out, and set up "
                f"{context.params['what'][0]} with overrides, such as model.hidden_size=64 "
                "data.batch_size=32 trainer.threads=2"
            )
