"""The command `unroll gradients`."""

import dataclasses
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
    refuse_options,
)
from unroll.cli.output import csv_text, output, show

if TYPE_CHECKING:
    from unroll.inspect.gradients import GradientFlow


@click.command()
@OPTIONAL_WHAT_ARGUMENT
@click.option(
    "--cell",
    "of_cells",
    callback=read_cells,
    default="rnn,gru,lstm,lstm:forget_bias=3",
    show_default=True,
    help="Cells, separated by commas.",
)
@click.option("--hidden-size", type=click.IntRange(1, 10_000), default=32, show_default=True)
@click.option("--length", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Steps.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@PICTURE_OPTION
@CSV_OPTION
@OVERWRITE_OPTION
@click.pass_context
def gradients(
    context: click.Context,
    what: tuple[str, ...],
    of_cells: CellValues,
    hidden_size: int,
    length: int,
    seed: int,
    picture_file: Path | None,
    csv_file: Path | None,
    overwrite: bool,
) -> None:
    """Show how the gradient vanishes or explodes on its way back in time: the norm of ∂loss/∂h at each step.

    Without WHAT it examines untrained cells on noise, with a loss of the last output alone. A cell can have
    settings, such as lstm:forget_bias=3 or rnn:nonlinearity=relu.

    WHAT is a run, or overrides of train.py for a fresh model, such as model=seq2seq data=copy. It examines
    all cells of the model, with the model's own loss on the longest sequences of the test data.
    """
    picture = output("--output", picture_file, overwrite=overwrite, inputs=what)
    numbers = output("--csv", csv_file, (".csv",), overwrite=overwrite, inputs=what)
    if what:
        refuse_options(context, kept=("what", "picture_file", "csv_file", "overwrite"))
        flow = _gradients_of_model(what)
    else:
        flow = _gradients_of_cells(of_cells, hidden_size, length, seed)
    show([flow.table()])
    if picture is not None:
        picture.save(flow.figure())
    if numbers is not None:
        numbers.write(csv_text(flow.frame()))


def _gradients_of_cells(cells: CellValues, hidden_size: int, length: int, seed: int) -> "GradientFlow":
    import torch

    from unroll.inspect.gradients import gradient_flow, last_output_loss
    from unroll.nn.recurrence import Recurrence

    models = {}
    for name, cell in cell_configs(cells).items():
        torch.manual_seed(seed)  # cells that differ only in a setting get the same weights
        models[name] = Recurrence(cell, 16, hidden_size).double()
    x = torch.randn(16, length, 16, dtype=torch.double)
    return gradient_flow(models, last_output_loss(x))


def _gradients_of_model(what: tuple[str, ...]) -> "GradientFlow":
    from unroll.trained.open import open_model

    model, data = open_model(*what)
    import torch

    from unroll.inspect.gradients import gradient_flow

    test = data.splits["test"]
    longest = sorted(range(len(test)), key=lambda index: -test.lengths[index])[: data.batch_size]
    batch = data.collate([test[index] for index in longest])
    values = {
        name: tensor.double()  # the weights are converted to double too
        for name in ("inputs", "targets")
        if (tensor := getattr(batch, name)) is not None and tensor.is_floating_point()
    }
    batch = dataclasses.replace(batch, **values)
    torch.manual_seed(0)  # a decoder may draw its inputs at random
    return gradient_flow({model.hparams["model"]["name"]: model.double()}, lambda model: model.loss(batch))
