"""The command `unroll graph`."""

from pathlib import Path

import click

from unroll.cli.options import WHAT_ARGUMENT
from unroll.cli.output import PICTURE_SUFFIXES, require_target, show, writing
from unroll.trained.open import open_model


@click.command()
@WHAT_ARGUMENT
@click.option("--steps", type=click.IntRange(1, 10_000), default=3, show_default=True)
@click.option("--rolled", is_flag=True, help="One step, with recurrent edges as loops.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write a picture (.svg, .png, .pdf) or dot (.dot, .gv).",
)
def graph(what: tuple[str, ...], steps: int, rolled: bool, output: Path | None) -> None:
    """Show the computational graph of a model's recurrences. Drawing it needs Graphviz.

    WHAT is a run, or overrides of train.py for a fresh model, such as model=many_to_one model/cell=lstm.
    """
    require_target("--output", output, (*PICTURE_SUFFIXES, ".dot", ".gv"))
    model, _ = open_model(*what)
    from unroll.inspect.dot import require_graphviz
    from unroll.inspect.graph import graph as draw
    from unroll.inspect.recording import recurrences

    if output is not None and output.suffix in PICTURE_SUFFIXES:
        require_graphviz()
    found = recurrences(model)
    for name, recurrence in found.items():
        drawn = draw(recurrence, steps, rolled=rolled, name=name)
        show(drawn.tables())
        if output is not None:
            path = output.with_stem(f"{output.stem}-{name}") if len(found) > 1 else output
            with writing("--output", path):
                drawn.render(path)
