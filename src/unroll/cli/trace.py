"""The command `unroll trace`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unroll.cli.options import CSV_OPTION, OVERWRITE_OPTION, PATH, WHAT_ARGUMENT
from unroll.cli.output import output, show
from unroll.errors import InputError
from unroll.trained.open import open_model

if TYPE_CHECKING:
    from unroll.batch import SequenceBatch
    from unroll.data.module import SequenceDataModule
    from unroll.inspect.trace import Trace
    from unroll.models.base import SequenceModel
    from unroll.nn.attention.base import AttentionMap


@click.command()
@WHAT_ARGUMENT
@click.option("--text", help="A text to trace.")
@click.option(
    "--input",
    "input_file",
    type=PATH,
    help="A file of inputs; the first one is traced.",
)
@click.option("--steps", type=click.IntRange(1), default=5, show_default=True, help="Steps to print.")
@click.option(
    "--output",
    "picture_file",
    type=PATH,
    help="Draw each recurrence, and attention: .png, .svg or .pdf.",
)
@CSV_OPTION
@OVERWRITE_OPTION
def trace(
    what: tuple[str, ...],
    text: str | None,
    input_file: Path | None,
    steps: int,
    picture_file: Path | None,
    csv_file: Path | None,
    overwrite: bool,
) -> None:
    """Show what the recurrences of a model compute for one sequence, step by step.

    WHAT is a run, or overrides of train.py for a fresh model, such as model=seq2seq data=copy. Without --text
    or --input it traces the first sequence of the test data. Tokens are decoded greedily.
    """
    if text is not None and input_file is not None:
        raise InputError("--text and --input: give one of them")
    inputs: tuple[Path | str, ...] = what if input_file is None else (*what, input_file)
    picture = output("--output", picture_file, overwrite=overwrite, inputs=inputs)
    numbers = output("--csv", csv_file, (".csv",), overwrite=overwrite, inputs=inputs)
    model, data = open_model(*what)
    batch = _one_sequence(model, data, " ".join(what), text, input_file)
    import pandas as pd
    from torch import nn

    from unroll.inspect.attention import attention_figure, attention_frame, attention_table

    traces, attention = _trace(model, batch)
    head = getattr(model, "output", None)  # W h + b at each step; a token decoder has attention in between
    heads = {traces[-1].name: head} if isinstance(head, nn.Linear) else {}
    for traced in traces:
        show(traced.tables(steps, heads.get(traced.name)))
    if attention is not None:
        show([attention_table(attention, steps)])
    if picture is not None:
        for traced in traces:
            one = picture.beside(traced.name) if len(traces) > 1 else picture
            one.save(traced.figure())
        if attention is not None:
            picture.beside("attention").save(attention_figure([attention]))
    if numbers is not None:
        values = {each.name: each.values(heads.get(each.name)) for each in traces}
        numbers.write(pd.concat(values, names=["recurrence", None]).to_csv())
        for traced in traces:
            for state, size in traced.left_out.items():
                print(f"left out of {csv_file}: the {state} of {traced.name}, {size:,} numbers a step")
        if attention is not None:
            numbers.beside("attention").write(attention_frame(attention).to_csv())


def _trace(model: "SequenceModel", batch: "SequenceBatch") -> "tuple[list[Trace], AttentionMap | None]":
    """The traces of a model's recurrences on one sequence, and its attention, if it has any.

    Tokens are decoded greedily, since the rows of a beam search jump between hypotheses.
    """
    import dataclasses

    from unroll.inspect.step_names import step_names
    from unroll.inspect.trace import trace_model
    from unroll.models.token_generator import TokenGenerator
    from unroll.nn.search import Method

    written = None
    if isinstance(model, TokenGenerator):
        own = model.config.search.method
        if own is not Method.greedy:
            print(f"decoded greedily; the model's own search is {own.value}\n")
        model.config.search = dataclasses.replace(model.config.search, method=Method.greedy)
        written = model.decode(batch).to_lists()[0]
    reads = step_names(model.spec, batch, written)
    traces = [
        dataclasses.replace(traced, names=tuple(reads.get(traced.name, ())[: len(traced.outputs)]))
        for traced in trace_model(lambda: model.predict_step(batch), model)
    ]
    maps = model.attention_maps(batch)
    return traces, maps[0] if maps else None


def _one_sequence(
    model: "SequenceModel", data: "SequenceDataModule", name: str, text: str | None, file: Path | None
) -> "SequenceBatch":
    """The given sequence, or the first one of the test data."""
    from unroll.data.collate import collate
    from unroll.trained.predict import read_inputs

    if text is None and file is None:
        samples = [data.splits["test"][0]]
    else:
        lines = [] if text is None else [("--text", text)]
        samples = read_inputs(model, data, name, file=file, lines=lines).samples
    return collate(samples[:1], model.spec.signature)
