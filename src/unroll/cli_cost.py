"""The commands that say what recurrences cost, and what reaches their first steps: `profile`, `gradients`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from unroll.cli_common import require_target, save, show, writing
from unroll.cli_lists import Cells, cells, numbers
from unroll.errors import InputError, MissingEnvironmentError

if TYPE_CHECKING:
    from typing import Any

    from pandas import DataFrame

    from unroll.components import CellConfig
    from unroll.inspect.gradients import GradientFlow

WHAT = click.argument("what", nargs=-1)
CSV = click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write every number here.")
OUTPUT = click.option("--output", type=click.Path(path_type=Path), help="Draw a picture: .png, .svg or .pdf.")


@click.command()
@WHAT
@click.option("--cell", "of_cells", callback=cells, default="rnn,gru,lstm,min_gru", show_default=True)
@click.option("--hidden-size", callback=numbers, default="32,64,128", show_default=True)
@click.option("--length", callback=numbers, default="50,100,200,400", show_default=True, help="Steps.")
@click.option("--input-size", type=click.IntRange(1), default=16, show_default=True, help="Features.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--every-execution", is_flag=True, help="Loop, fused kernel and scan beside one another.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Median of so many.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@OUTPUT
@CSV
@click.pass_context
def profile(
    context: click.Context,
    what: tuple[str, ...],
    of_cells: Cells,
    hidden_size: list[int],
    length: list[int],
    input_size: int,
    batch_size: int,
    every_execution: bool,
    repeats: int,
    threads: int,
    device: str,
    output: Path | None,
    csv_file: Path | None,
) -> None:
    """Measure time and memory: of cells, or of training a model.

    Without WHAT, of cells over hidden sizes and lengths, beside what can be counted: multiply-adds,
    parameters, activations. A cell can have settings, as lstm:forget_bias=3.

    WHAT is a run, or overrides of train.py, as model=seq2seq data=copy: how long will an epoch take, how
    much memory will it need, and what would checkpointing or truncation save?
    """
    require_target("--output", output)
    require_target("--csv", csv_file, (".csv",))
    if what:
        _refuse_options(context, kept=("what", "csv_file"))
        values = _config(what)
        from unroll.training.estimate import estimate_run

        estimate = estimate_run(values)
        show([estimate.table()])
        print(estimate.summary)
        _write(estimate.frame(), csv_file)
        return
    import torch

    from unroll.inspect.cost import profile as measure

    if device == "cuda" and not torch.cuda.is_available():
        raise MissingEnvironmentError("--device cuda: this machine has no GPU that torch can use; take cpu")
    torch.set_num_threads(threads)
    found = measure(
        _configs(of_cells),
        hidden_size,
        length,
        input_size=input_size,
        batch_size=batch_size,
        every_execution=every_execution,
        repeats=repeats,
        device=torch.device(device),
    )
    show(found.tables())
    if output is not None:
        save(found.figure(), output)
    _write(found.frame(), csv_file)


@click.command()
@WHAT
@click.option(
    "--cell", "of_cells", callback=cells, default="rnn,gru,lstm,lstm:forget_bias=3", show_default=True
)
@click.option("--hidden-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--length", type=click.IntRange(1), default=100, show_default=True, help="Steps.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@OUTPUT
@CSV
@click.pass_context
def gradients(
    context: click.Context,
    what: tuple[str, ...],
    of_cells: Cells,
    hidden_size: int,
    length: int,
    seed: int,
    output: Path | None,
    csv_file: Path | None,
) -> None:
    """Show how the gradient vanishes or explodes on its way back in time: the norm of ∂loss/∂h at each step.

    Without WHAT in cells as they start, on noise, for a loss of the last output alone. A cell can have
    settings, as lstm:forget_bias=3 or rnn:nonlinearity=relu.

    WHAT is a run, or overrides of train.py for a fresh model, as model=seq2seq data=copy: its own loss on
    the longest batch of the test data, in all of its cells.
    """
    require_target("--output", output)
    require_target("--csv", csv_file, (".csv",))
    if what:
        _refuse_options(context, kept=("what", "output", "csv_file"))
        flow = _gradients_of_model(what)
    else:
        flow = _gradients_of_cells(of_cells, hidden_size, length, seed)
    show([flow.table()])
    if output is not None:
        save(flow.figure(), output)
    _write(flow.frame(), csv_file)


def _gradients_of_cells(cells: Cells, hidden_size: int, length: int, seed: int) -> "GradientFlow":
    import torch

    from unroll.inspect.gradients import gradient_flow, last_output_loss
    from unroll.nn.recurrence import Recurrence

    models = {}
    for name, cell in _configs(cells).items():
        torch.manual_seed(seed)  # of cells that differ in a setting alone, the same weights
        models[name] = Recurrence(cell, 16, hidden_size).double()
    x = torch.randn(16, length, 16, dtype=torch.double)
    return gradient_flow(models, last_output_loss(x))


def _gradients_of_model(what: tuple[str, ...]) -> "GradientFlow":
    from unroll.workbench import open_model

    model, data = open_model(*what)
    import torch

    from unroll.inspect.gradients import gradient_flow

    test = data.splits["test"]
    longest = sorted(range(len(test)), key=lambda index: -test.lengths[index])[: data.config.batch_size]
    batch = data.collate([test[index] for index in longest])
    values = {
        name: tensor.double()  # as the weights will be
        for name in ("inputs", "targets")
        if (tensor := getattr(batch, name)) is not None and tensor.is_floating_point()
    }
    batch = dataclasses.replace(batch, **values)
    torch.manual_seed(0)  # a decoder may draw what it is given
    return gradient_flow({model.hparams["model"]["name"]: model.double()}, lambda model: model.loss(batch))


def _configs(cells: Cells) -> "dict[str, CellConfig]":
    from unroll.registry import from_dict

    return {name: from_dict("model/cell", values) for name, values in cells.items()}


def _config(what: tuple[str, ...]) -> "dict[str, Any]":
    """The checked config of a run, or of overrides."""
    from unroll import config
    from unroll.foreign import read_yaml

    if len(what) > 1 or "=" in what[0]:
        return config.check(config.compose(what), config.CONF)
    run = Path(what[0])
    file = (run.absolute().parents[1] if run.is_file() else run) / "config.yaml"
    if not file.is_file():
        raise InputError(f"{run}: no such run; give a run's folder, as outputs/seq2seq/…/…")
    values = {**read_yaml(file), "ckpt_path": None}
    try:
        config.load(values, light=True).data.require_ready()
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    return values


def _refuse_options(context: click.Context, kept: tuple[str, ...]) -> None:
    """With WHAT, options that are of the grid would be of no effect."""
    for option in context.command.params:
        assert option.name is not None
        given = context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
        if given and option.name not in kept:
            raise InputError(
                f"{option.opts[0]}: is for cells alone; leave it out, and of {context.params['what'][0]} say "
                "it with overrides, as model.hidden_size=64 data.batch_size=32 trainer.threads=2"
            )


def _write(frame: "DataFrame", path: Path | None) -> None:
    if path is not None:
        with writing("--csv", path):
            frame.to_csv(path, index=False)
