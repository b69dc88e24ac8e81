"""`unroll`: what one does with a run once it is trained."""

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unroll.cli_cost import gradients, profile
from unroll.cli_dashboard import dashboard
from unroll.cli_export import export
from unroll.cli_inspect import graph, packing, trace
from unroll.cli_report import report
from unroll.cli_resume import resume
from unroll.errors import InputError, boundary, reason

if TYPE_CHECKING:  # importing torch takes seconds, and --help and typos need none of it
    from unroll.models.base import SequenceModel


def main() -> None:
    """The program: every error ends in one line."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in train.py
    with boundary():
        try:
            cli(standalone_mode=False)
        except click.ClickException as error:
            raise InputError(error.format_message()) from error
        except click.Abort as error:
            raise KeyboardInterrupt from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    """Use, test and look into what `python train.py` has trained.

    RUN is a run's folder, as outputs/seq2seq/cmudict/…, or a checkpoint file.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


for command in (trace, graph, packing, profile, gradients, report, dashboard, resume, export):
    cli.add_command(command)


def decoding_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that override how the run decodes."""
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


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--text", multiple=True, help="An input; may be given several times.")
@click.option("--input", "input_file", type=click.Path(path_type=Path), help="A file of inputs.")
@click.option(
    "--output", "output_file", type=click.Path(path_type=Path), help="Write here, not to the terminal."
)
@decoding_options
def predict(
    run: Path, text: tuple[str, ...], input_file: Path | None, output_file: Path | None, **decoding: Any
) -> None:
    """Print what the model makes of each input.

    Inputs are --text, or those of the file --input, or the lines of standard input. Texts are printed with
    their predictions, a tab between; of a table of values, as the run learned from, the predictions are CSV.
    """
    if text and input_file:
        raise InputError("--text and --input: give one of them")
    if output_file and not output_file.parent.is_dir():
        raise InputError(f"--output {output_file}: no such folder; make it first")
    model = _load(run, decoding)
    from unroll.training.predict import predict as write

    if input_file:
        predictions = write(model, run, file=input_file)
    else:
        lines = (("--text", line) for line in text) if text else _standard_input()
        predictions = write(model, run, lines=lines)
    if output_file is None:
        print(predictions, end="", flush=True)
        return
    try:
        output_file.write_text(predictions, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--output {output_file}: cannot be written ({reason(error)})") from error


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["valid", "test"]), default="test", show_default=True)
@decoding_options
def evaluate(run: Path, split: str, **decoding: Any) -> None:
    """Print the metrics of a run on its own test (or validation) data, however decoded."""
    model = _load(run, decoding)
    from unroll.models.token_generator import TokenGenerator
    from unroll.training.evaluate import evaluate as measure

    description, metrics = measure(model, run, split)
    how = f", {model.config.search.method.value} search" if isinstance(model, TokenGenerator) else ""
    print(f"{description}, {split} split{how}")
    for name, value in metrics.items():
        print(f"{name:28s} {value:.4f}")


@cli.command()
@click.argument("overrides", nargs=-1)
def describe(overrides: tuple[str, ...]) -> None:
    """Look at data before training: sizes, lengths, vocabulary, classes, features, padding.

    OVERRIDES are those of train.py, as data=series data.path=FILE data.target=COLUMN.
    """
    from omegaconf import OmegaConf

    from unroll import config, registry

    composed = config.compose(overrides)
    values = OmegaConf.to_container(composed.data, resolve=True, enum_to_str=True)
    assert isinstance(values, dict)
    data_config = registry.from_dict("data", {str(key): value for key, value in values.items()}, light=True)
    data_config.require_ready()

    from unroll.data.base import build_data
    from unroll.data.describe import describe as look
    from unroll.data.describe import describe_text

    print(
        describe_text(
            look(build_data(registry.from_dict("data", registry.to_dict(data_config)), composed.seed))
        )
    )


def _load(run: Path, decoding: dict[str, Any]) -> "SequenceModel":
    """The model of a run, decoding as the options say."""
    if not run.exists():
        raise InputError(f"{run}: no such run; give a run's folder (as outputs/seq2seq/…/…) or a .ckpt file")
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
        raise InputError(f"--{option.replace('_', '-')}: {run} writes no tokens; leave it out")
    return model


def _standard_input() -> Iterator[tuple[str, str]]:
    """Its lines, each with its place; nothing is read before they are asked for."""
    from unroll.data.text_file import MOST_BYTES, read_most

    try:
        content = read_most(sys.stdin.buffer.read, MOST_BYTES)
        lines = content.decode("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input: is not UTF-8 text (byte {error.start})") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"standard input: is larger than {MOST_BYTES:,} bytes; give less at once")
    if not any(line.strip() for line in lines):
        raise InputError("standard input: is empty; give an input a line")
    yield from (
        (f"standard input:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()
    )
