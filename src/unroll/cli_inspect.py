"""The commands that look inside: `unroll trace`, `graph` and `packing`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unroll.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from unroll.batch import SequenceBatch
    from unroll.data.base import SequenceDataModule
    from unroll.models.base import SequenceModel


WHAT = click.argument("what", nargs=-1, required=True)


@click.command()
@WHAT
@click.option("--text", help="An input that is text.")
@click.option(
    "--input", "input_file", type=click.Path(path_type=Path), help="A file of inputs; its first is traced."
)
@click.option("--steps", type=click.IntRange(1), default=5, show_default=True, help="Steps to print.")
@click.option("--output", type=click.Path(path_type=Path), help="Write a picture of each recurrence here.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write every number here.")
def trace(
    what: tuple[str, ...],
    text: str | None,
    input_file: Path | None,
    steps: int,
    output: Path | None,
    csv_file: Path | None,
) -> None:
    """Show what the recurrences of a model do with one sequence, step by step.

    WHAT is a run, or the overrides of train.py for a fresh model, as model=seq2seq data=copy. Without --text
    or --input the sequence is the first of the test data.
    """
    if text is not None and input_file is not None:
        raise InputError("--text and --input: give one of them")
    model, data = _open(what)
    batch = _one_sequence(model, data, " ".join(what), text, input_file)
    import pandas as pd
    from torch import nn

    from unroll.inspect.trace import trace_model

    traces = trace_model(lambda: model.predict_step(batch), model)
    head = getattr(model, "output", None)  # W h + b at each step; in a decoder of tokens attention is between
    for traced in traces:
        is_last = traced is traces[-1] and isinstance(head, nn.Linear)
        show(traced.tables(steps, head if is_last else None))
        if output is not None:
            name = f"{output.stem}-{traced.name}" if len(traces) > 1 else output.stem
            save(traced.figure(), output.with_stem(name))
    if csv_file is not None:
        pd.concat({each.name: each.values() for each in traces}, names=["recurrence", None]).to_csv(csv_file)
        print(f"wrote {csv_file}")


@click.command()
@WHAT
@click.option("--steps", type=click.IntRange(1), default=3, show_default=True)
@click.option("--rolled", is_flag=True, help="One step, with the recurrent edges looping.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Draw it: .svg, .png, .pdf; or its text: .dot, .gv."
)
def graph(what: tuple[str, ...], steps: int, rolled: bool, output: Path | None) -> None:
    """Show the computational graph of a model's recurrences. To draw it needs Graphviz.

    WHAT is a run, or the overrides of train.py for a fresh model, as model=many_to_one model/cell=lstm.
    """
    model, _ = _open(what)
    from unroll.inspect.graph import graph as draw
    from unroll.inspect.trace import recurrences

    found = recurrences(model)
    for name, recurrence in found.items():
        drawn = draw(recurrence, steps, rolled=rolled, name=name)
        show(drawn.tables())
        if output is not None:
            path = output.with_stem(f"{output.stem}-{name}") if len(found) > 1 else output
            drawn.render(path)
            print(f"wrote {path}")


@click.command()
@click.argument("lengths", nargs=-1, type=int)
@click.option("--output", type=click.Path(path_type=Path), help="Write the picture here: .png, .svg or .pdf.")
def packing(lengths: tuple[int, ...], output: Path | None) -> None:
    """Show how sequences of these LENGTHS are padded, and packed, as 5 3 7 2."""
    from unroll.inspect.packing import packing as lay_out

    laid_out = lay_out(lengths)
    show(laid_out.tables())
    if output is not None:
        save(laid_out.figure(), output)


def show(tables: "list[Table]") -> None:
    """Print tables with a blank line between."""
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
        console.print()


def save(figure: "Figure", path: Path) -> None:
    """Write a picture, in the format that its suffix says, and say so."""
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"--output {path}: unknown suffix '{path.suffix}'; name it .png, .svg or .pdf")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise InputError(f"--output {path}: cannot be written ({error.strerror})") from error
    print(f"wrote {path}")


def _open(what: tuple[str, ...]) -> "tuple[SequenceModel, SequenceDataModule]":
    """The model of a run, or a fresh one as overrides of train.py say; and its data."""
    if len(what) == 1 and "=" not in what[0]:
        from unroll.training import checkpoints
        from unroll.training.evaluate import data_of

        return checkpoints.load(Path(what[0])), data_of(Path(what[0]))
    from unroll import config

    checked = config.load(config.check(config.compose(what), config.CONF))
    import torch

    from unroll.data.base import build_data
    from unroll.models.base import build_model

    torch.manual_seed(checked.seed)
    data = build_data(checked.data, checked.seed)
    return build_model(checked.model, data.spec, checked.optimizer, checked.scheduler).eval(), data


def _one_sequence(
    model: "SequenceModel", data: "SequenceDataModule", name: str, text: str | None, file: Path | None
) -> "SequenceBatch":
    """The one that is given, or the first of the test data."""
    from unroll.data.collate import collate
    from unroll.training.predict import read_inputs

    if text is None and file is None:
        samples = [data.splits["test"][0]]
    else:
        lines = [] if text is None else [("--text", text)]
        samples = read_inputs(model, data, name, file=file, lines=lines).samples
    return collate(samples[:1], model.spec.signature)
