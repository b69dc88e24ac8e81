"""The options of commands that decode, and the model set up by them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unroll.cli.options import require_run
from unroll.errors import InputError

if TYPE_CHECKING:  # importing torch takes seconds; --help and typos must not wait for it
    from unroll.models.base import SequenceModel


def decoding_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that override how the run decodes."""
    for option in reversed(
        (
            click.option("--search", type=click.Choice(["greedy", "sample", "beam"]), help="How to decode."),
            click.option("--beam-size", type=int, help="Hypotheses that beam search keeps."),
            click.option("--length-penalty", type=float, help="Beam search compares log p / length^this."),
            click.option("--temperature", type=float, help="Sampling draws from softmax(scores / this)."),
            click.option("--top-k", type=int, help="Sampling draws from the k best; 0 is all."),
            click.option("--max-length", type=int, help="Tokens after which an output is cut."),
            click.option(
                "--seed",
                type=click.IntRange(0, 2**32 - 1),
                default=1,
                show_default=True,
                help="Seed of sampling.",
            ),
        )
    ):
        command = option(command)
    return command


def load(run: Path, decoding: dict[str, Any]) -> "SequenceModel":
    """The model of a run, set to decode as the options say."""
    require_run(run)
    import torch

    from unroll.models.token_generator import TokenGenerator
    from unroll.nn.search import Method
    from unroll.training import checkpoints

    model = checkpoints.load(run)
    torch.manual_seed(decoding.pop("seed"))
    method = decoding.pop("search")
    given = {name: value for name, value in decoding.items() if value is not None}
    if method is not None:
        given["method"] = Method[method]
    if isinstance(model, TokenGenerator):
        model.config.search = dataclasses.replace(model.config.search, **given)
    elif given:
        option = "search" if "method" in given else next(iter(given))
        raise InputError(
            f"--{option.replace('_', '-')}: the model of {run} writes no tokens; leave the option out"
        )
    return model
