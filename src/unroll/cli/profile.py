"""The command `unroll profile`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unroll.cli.options import (
    CSV_OPTION,
    OPTIONAL_WHAT_ARGUMENT,
    OVERWRITE_OPTION,
    PICTURE_OPTION,
    CellValues,
    cell_configs,
    read_cells,
    read_numbers,
    refuse_options,
)
from unroll.cli.output import csv_text, output, show
from unroll.errors import InputError, MissingEnvironmentError
from unroll.paths import given

if TYPE_CHECKING:
    from typing import Any


@click.command()
@OPTIONAL_WHAT_ARGUMENT
@click.option(
    "--cell",
    "of_cells",
    callback=read_cells,
    default="rnn,gru,lstm,min_gru",
    show_default=True,
    help="Cells, separated by commas.",
)
@click.option(
    "--hidden-size",
    callback=read_numbers,
    default="32,64,128",
    show_default=True,
    help="Separated by commas.",
)
@click.option(
    "--length",
    callback=read_numbers,
    default="50,100,200,400",
    show_default=True,
    help="Steps, separated by commas.",
)
@click.option("--input-size", type=click.IntRange(1), default=16, show_default=True, help="Features.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--every-execution", is_flag=True, help="Compare all ways in which a cell runs.")
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Report the median of this many times.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@PICTURE_OPTION
@CSV_OPTION
@OVERWRITE_OPTION
@click.pass_context
def profile(
    context: click.Context,
    what: tuple[str, ...],
    of_cells: CellValues,
    hidden_size: list[int],
    length: list[int],
    input_size: int,
    batch_size: int,
    every_execution: bool,
    repeats: int,
    threads: int,
    device: str,
    picture_file: Path | None,
    csv_file: Path | None,
    overwrite: bool,
) -> None:
    """Measure time and memory, of cells or of training a model.

    Without WHAT it measures cells over hidden sizes and lengths, and shows the counts of multiply-adds,
    parameters and activations beside them. A cell can have settings, such as lstm:forget_bias=3.

    WHAT is a run, or overrides of train.py, such as model=seq2seq data=copy: how long will an epoch take, how
    much memory will it need, and what would checkpointing or truncation save?
    """
    picture = output("--output", picture_file, overwrite=overwrite, inputs=what)
    numbers = output("--csv", csv_file, (".csv",), overwrite=overwrite, inputs=what)
    if what:
        refuse_options(context, kept=("what", "csv_file", "overwrite"))
        values = _config(what)
        from unroll.cost.estimate import estimate_run

        estimate = estimate_run(values)
        show([estimate.table()])
        print(estimate.summary)
        if numbers is not None:
            numbers.write(csv_text(estimate.frame()))
        return
    import torch

    from unroll.cost.cells import profile_cells

    if device == "cuda" and not torch.cuda.is_available():
        raise MissingEnvironmentError("--device cuda: this machine has no GPU that torch can use; use cpu")
    torch.set_num_threads(threads)
    costs = profile_cells(
        cell_configs(of_cells),
        hidden_size,
        length,
        input_size=input_size,
        batch_size=batch_size,
        every_execution=every_execution,
        repeats=repeats,
        device=torch.device(device),
    )
    show(costs.tables())
    if picture is not None:
        picture.save(costs.figure())
    if numbers is not None:
        numbers.write(csv_text(costs.frame()))


def _config(what: tuple[str, ...]) -> "dict[str, Any]":
    """The checked config of a run, or of overrides."""
    from unroll.config import root as config
    from unroll.config.compose import CONF, check, compose
    from unroll.runs.folder import RunFolder

    if len(what) > 1 or "=" in what[0]:
        return check(compose(what), CONF)
    run = given(what[0])
    folder = RunFolder.of(run)
    if not folder.has_started:
        raise InputError(f"{run}: no such run; give a run's folder, such as outputs/seq2seq/…/…")
    values = {**folder.read_config(), "ckpt_path": None}
    try:
        config.load(values).data.require_ready()
    except InputError as error:
        raise InputError(f"{folder.config}: {error}") from error
    return values
