"""The command `unroll evaluate`."""

from pathlib import Path
from typing import Any

import click

from unroll.cli.decoding import decoding_options, load
from unroll.cli.options import RUN_ARGUMENT
from unroll.runs.metrics import shown


@click.command()
@RUN_ARGUMENT
@click.option("--split", type=click.Choice(["valid", "test"]), default="test", show_default=True)
@decoding_options
def evaluate(run: Path, split: str, **decoding: Any) -> None:
    """Print the metrics of a run on its own test or validation data. Options change how it decodes."""
    model = load(run, decoding)
    from unroll.models.token_generator import TokenGenerator
    from unroll.trained.evaluate import evaluate as measure

    description, metrics = measure(model, run, split)
    how = f", {model.config.search.method.value} search" if isinstance(model, TokenGenerator) else ""
    print(f"{description}, {split} split{how}")
    for name, value in metrics.items():
        print(f"{name:28s} {shown(value)}")
