"""The command `unroll graph`."""

from pathlib import Path

import click

from unroll.cli.options import OVERWRITE_OPTION, PATH, WHAT_ARGUMENT
from unroll.cli.output import PICTURE_SUFFIXES, output, show
from unroll.trained.open import open_model


@click.command()
@WHAT_ARGUMENT
@click.option("--steps", type=click.IntRange(1, 10_000), default=3, show_default=True)
@click.option("--rolled", is_flag=True, help="One step, with recurrent edges as loops.")
@click.option(
    "--output",
    "output_file",
    type=PATH,
    help="Write a picture (.svg, .png, .pdf) or dot (.dot, .gv).",
)
@OVERWRITE_OPTION
def graph(what: tuple[str, ...], steps: int, rolled: bool, output_file: Path | None, overwrite: bool) -> None:
    """Show the computational graph of a model's recurrences. Drawing it needs Graphviz.

    WHAT is a run, or overrides of train.py for a fresh model, such as model=many_to_one model/cell=lstm.
    """
    suffixes = (*PICTURE_SUFFIXES, ".dot", ".gv")
    written = output("--output", output_file, suffixes, overwrite=overwrite, inputs=what)
    model, _ = open_model(*what)
    from unroll.inspect.dot import require_graphviz
    from unroll.inspect.graph import graph as draw
    from unroll.inspect.recording import recurrences

    if written is not None and written.path.suffix in PICTURE_SUFFIXES:
        require_graphviz()
    found = recurrences(model)
    for name, recurrence in found.items():
        drawn = draw(recurrence, steps, rolled=rolled, name=name)
        show(drawn.tables())
        if written is not None:
            one = written.beside(name) if len(found) > 1 else written
            one.write(drawn.content(one.path))
