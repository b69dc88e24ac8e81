"""`unroll`: what one does with a run once it is trained."""

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unroll.errors import InputError, boundary

if TYPE_CHECKING:  # importing torch takes seconds, and --help and typos need none of it
    from unroll.models.seq2seq import Seq2Seq

PREDICT_BATCH = 256


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
@click.option("--input", "input_file", type=click.Path(path_type=Path), help="A file with an input a line.")
@click.option(
    "--output", "output_file", type=click.Path(path_type=Path), help="Write here, not to the terminal."
)
@decoding_options
def predict(
    run: Path, text: tuple[str, ...], input_file: Path | None, output_file: Path | None, **decoding: Any
) -> None:
    """Print each input and what the model makes of it, with a tab between.

    Inputs are --text, or the lines of --input, or those of standard input.
    """
    if text and input_file:
        raise InputError("--text and --input: give one of them")
    if output_file and not output_file.parent.is_dir():
        raise InputError(f"--output {output_file}: no such folder; make it first")
    model = _load(run, decoding)
    lines = list(_inputs(text, input_file))
    predictions = _predict(model, lines)
    if output_file is None:
        for line in predictions:
            print(line, flush=True)
    else:
        try:
            output_file.write_text("".join(f"{line}\n" for line in predictions), encoding="utf-8")
        except OSError as error:
            raise InputError(f"--output {output_file}: cannot be written ({error.strerror})") from error


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["valid", "test"]), default="test", show_default=True)
@decoding_options
def evaluate(run: Path, split: str, **decoding: Any) -> None:
    """Print the metrics of a run on its own test (or validation) data, however decoded."""
    model = _load(run, decoding)
    from unroll.training.evaluate import evaluate as measure

    description, metrics = measure(model, run, split)
    print(f"{description}, {split} split, {model.config.search.method.value} search")
    for name, value in metrics.items():
        print(f"{name:28s} {value:.4f}")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("outputs/wandb"))
def dashboard(folder: Path) -> None:
    """Open the local runs in W&B's terminal dashboard. FOLDER is W&B's, outputs/wandb by default."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; train with logger=wandb first, or name another")
    os.execv(sys.executable, [sys.executable, "-m", "wandb", "leet", str(folder)])


def _load(run: Path, decoding: dict[str, Any]) -> "Seq2Seq":
    """The model of a run, decoding as the options say."""
    if not run.exists():
        raise InputError(f"{run}: no such run; give a run's folder (as outputs/seq2seq/…/…) or a .ckpt file")
    import torch

    from unroll.models.seq2seq import Seq2Seq
    from unroll.nn.search import Method
    from unroll.training import checkpoints

    model = checkpoints.load(run)
    assert isinstance(model, Seq2Seq)
    torch.manual_seed(decoding.pop("seed"))
    method = decoding.pop("search")
    given = {name: value for name, value in decoding.items() if value is not None}
    if method is not None:
        given["method"] = Method[method]
    model.config.search = dataclasses.replace(model.config.search, **given)
    return model


def _inputs(text: tuple[str, ...], file: Path | None) -> Iterator[tuple[str, str]]:
    """Inputs, each with the place it comes from."""
    if text:
        yield from (("--text", line) for line in text)
        return
    name = "standard input" if file is None else str(file)
    try:
        content = sys.stdin.buffer.read() if file is None else file.read_bytes()
        lines = content.decode("utf-8-sig").removesuffix("\n").split("\n")
    except OSError as error:
        raise InputError(f"--input {file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not UTF-8 text (byte {error.start})") from error
    if lines == [""]:
        raise InputError(f"{name}: is empty; give an input a line")
    yield from ((f"{name}:{number}", line) for number, line in enumerate(lines, start=1))


def _predict(model: "Seq2Seq", inputs: list[tuple[str, str]]) -> Iterable[str]:
    """Lines `input<TAB>prediction`, in order. All inputs are checked before the first is decoded."""
    import torch

    from unroll.data.collate import Sample, collate
    from unroll.text import Text

    text = Text(model.spec)
    samples: list[Sample] = []
    for place, line in inputs:
        try:
            samples.append(Sample(len(samples), torch.tensor(text.encode(line))))
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
    for start in range(0, len(samples), PREDICT_BATCH):
        decoded = model.decode(
            collate(samples[start : start + PREDICT_BATCH], model.spec.signature)
        ).to_lists()
        for (_, line), ids in zip(inputs[start:], decoded, strict=False):
            yield f"{line.strip()}\t{text.output_text(ids)}"
