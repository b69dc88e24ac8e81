"""The command `unroll predict`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unroll.cli.decoding import decoding_options, load
from unroll.cli.options import OVERWRITE_OPTION, PATH, RUN_ARGUMENT
from unroll.cli.output import Output
from unroll.errors import InputError
from unroll.terminal import for_terminal, one_line

if TYPE_CHECKING:
    from unroll.data.prediction.refused import Refused


@click.command()
@RUN_ARGUMENT
@click.option("--text", multiple=True, help="An input; can be given several times.")
@click.option("--input", "input_file", type=PATH, help="A file of inputs.")
@click.option(
    "--output",
    "output_file",
    type=PATH,
    help="Write to this file, not to the terminal.",
)
@OVERWRITE_OPTION
@decoding_options
def predict(
    run: Path,
    text: tuple[str, ...],
    input_file: Path | None,
    output_file: Path | None,
    overwrite: bool,
    **decoding: Any,
) -> None:
    """Print the model's prediction for each input.

    Inputs are --text, the content of the file --input, or the lines of standard input. Predictions are CSV
    with a header: the id or the line, the label or the values, and the probability of each class as p(class).
    Tokens that are predicted stand after their input, separated by a tab.

    Series are forecast from their last step with a value. Rows after it, whose targets are left empty, hold
    what is known ahead (data.known).

    An input that cannot be read is told of and left out; the exit code is 2 then.
    """
    if text and input_file:
        raise InputError("--text and --input: give one of them")
    output = None
    if output_file:
        inputs = (run, input_file) if input_file else (run,)
        output = Output(option="--output", path=output_file, overwrite=overwrite, inputs=inputs)
        output.require_free()
    model = load(run, decoding)
    from unroll.data.prediction.refused import Refused
    from unroll.trained.predict import predict as write

    refused = Refused()
    if input_file:
        predictions = write(model, run, file=input_file, refused=refused, tell=_note)
    else:
        lines = (("--text", line) for line in text) if text else _standard_input()
        predictions = write(model, run, lines=lines, refused=refused)
    if output is None:
        # A file or another program gets the exact text.
        print(for_terminal(predictions) if sys.stdout.isatty() else predictions, end="", flush=True)
    elif predictions:
        output.write(predictions, silent=True)
    if refused.count:
        source = str(input_file) if input_file else "--text" if text else "standard input"
        _tell(refused, source, answered=bool(predictions))


def _note(note: str) -> None:
    print(f"note: {one_line(InputError(note))}", file=sys.stderr)


def _tell(refused: "Refused", source: str, *, answered: bool) -> None:
    """Tell of the inputs that were left out, a line for each of the first ones, and raise the last line."""
    if refused.count == 1:
        raise refused.first[0]
    for error in refused.first:
        print(f"error: {one_line(error)}", file=sys.stderr)
    what = f"{refused.count:,} inputs" if answered else f"all {refused.count:,} inputs"
    some = "" if refused.count == len(refused.first) else f"the first {len(refused.first)} of them "
    raise InputError(f"{source}: {what} were left out, {some}told above; mend them")


def _standard_input() -> Iterator[tuple[str, str]]:
    """The lines of standard input, each with its place. Reading starts with the first line asked for."""
    from unroll.data.readers.text_file import MAX_TEXT_BYTES, read_up_to

    try:
        content = read_up_to(sys.stdin.buffer.read, MAX_TEXT_BYTES)
        lines = content.decode("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input: is not UTF-8 text (byte {error.start})") from error
    if len(content) > MAX_TEXT_BYTES:
        raise InputError(f"standard input: is larger than {MAX_TEXT_BYTES:,} bytes; give less at once")
    if not any(line.strip() for line in lines):
        raise InputError("standard input: is empty; give one input per line")
    yield from (
        (f"standard input:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()
    )
