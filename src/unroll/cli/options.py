"""Arguments and options that several commands share, and how their text is read."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from unroll.config import registry
from unroll.config.layers import read_cell
from unroll.errors import InputError

if TYPE_CHECKING:
    from unroll.config.components import CellConfig

RUN = click.argument("run", type=click.Path(path_type=Path))
WHAT = click.argument("what", nargs=-1, required=True)
WHAT_OR_CELLS = click.argument("what", nargs=-1)
CSV = click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write every number here.")
OUTPUT = click.option("--output", type=click.Path(path_type=Path), help="Draw a picture: .png, .svg or .pdf.")

Cells = dict[str, dict[str, str]]
"""The plain configs of cells, by the text that asks for each."""


def cells(context: click.Context, option: click.Parameter, text: str) -> Cells:
    """Read cells, each a name and, after colons, settings: `lstm,lstm:forget_bias=3`."""
    return {word: read_cell(option.opts[0], word) for word in text.split(",")}


def numbers(context: click.Context, option: click.Parameter, text: str) -> list[int]:
    """Read whole numbers of 1 or more with commas between: `50,100,200`."""
    found = []
    for word in text.split(","):
        if not (word.strip().isdecimal() and int(word) >= 1):
            raise InputError(
                f"{option.opts[0]} {text}: '{word}' is not a whole number of 1 or more; "
                "give numbers with commas between, as in 50,100"
            )
        found.append(int(word))
    return found


def cell_configs(cells: Cells) -> "dict[str, CellConfig]":
    """The typed configs of cells."""
    return {name: registry.from_dict("model/cell", values) for name, values in cells.items()}


def require_run(run: Path) -> None:
    """Raise an `InputError` if there is no such file or folder."""
    if not run.exists():
        raise InputError(f"{run}: no such run; give a run's folder (as outputs/seq2seq/…/…) or a .ckpt file")


def refuse_options(context: click.Context, kept: tuple[str, ...]) -> None:
    """Raise an `InputError` if WHAT is given with an option for cells, which would have no effect."""
    for option in context.command.params:
        assert option.name is not None
        given = context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if given and option.name not in kept:
            raise InputError(
                f"{option.opts[0]}: is for cells alone; leave it out, and set up {context.params['what'][0]} "
                "with overrides, as in model.hidden_size=64 data.batch_size=32 trainer.threads=2"
            )
