"""The lines that a run prints on the terminal and writes to its run.log."""

import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from unroll.batch import SequenceBatch
from unroll.config.components import RecurrentConfig
from unroll.data.readers.files_config import FilesConfig
from unroll.errors import reason
from unroll.models.targets import MOST_SHOWN_STEPS
from unroll.models.token_generator import TokenGenerator
from unroll.redact import redact
from unroll.runs.folder import RunFolder
from unroll.runs.metrics import shown
from unroll.spec import Kind
from unroll.startup import WARNINGS
from unroll.terminal import for_terminal, to_nowhere
from unroll.training.build import RunParts
from unroll.training.claim import Start

log = logging.getLogger("unroll")


@contextmanager
def logging_to(folder: RunFolder) -> Iterator[None]:
    """Send the lines of a run to the terminal and, with times, to its log. Lock the folder by the log.

    A process that does not write its folder logs only warnings.

    Raises:
        InputError: another process runs in the folder.
    """
    log.propagate = False
    log.setLevel(logging.INFO if folder.writes else logging.WARNING)
    terminal = _Terminal(sys.stdout)
    terminal.setFormatter(_Redacting("%(message)s"))
    file = _LogFile(folder.log, encoding="utf-8")
    file.setFormatter(_Redacting("%(asctime)s %(message)s"))
    log.handlers = [terminal, file]
    warnings = logging.getLogger(WARNINGS)
    warnings.addHandler(file)
    try:
        assert file.stream is not None
        folder.lock(file.stream.fileno())
        yield
    finally:
        log.handlers = []
        warnings.removeHandler(file)
        file.close()


def say_what_runs(folder: RunFolder, parts: RunParts, start: Start) -> None:
    """Print model, data and folder before the training, and the step from which a run resumes."""
    config, model, data, size = parts.config, parts.model, parts.data, parts.size
    sizes = ", ".join(f"{len(samples):,} {split}" for split, samples in data.splits.items())
    chosen = ""
    sized = isinstance(config.model, RecurrentConfig) and (config.model.parameters or config.model.state_size)
    if sized:
        chosen = f" with hidden_size={model.hparams['model']['hidden_size']}"
    log.info("model  %s, %s parameters%s", config.model.name, f"{size.parameters:,}", chosen)
    if size.state_size > 0:
        log.info(
            "       %s numbers of state, %s multiply-adds a step",
            f"{size.state_size:,}",
            f"{size.step_operations:,}",
        )
    log.info("data   %s (%s): %s", config.data.name, data.description, sizes)
    for note in data.notes:
        log.info("       %s", note)
    log.info("train  %s", _training(parts))
    log.info("run    %s%s\n", folder, f", on from step {start.saved['global_step']}" if start.saved else "")


def _training(parts: RunParts) -> str:
    """The size of batches, the rate, and how long at most."""
    config, trainer = parts.config, parts.config.trainer
    sequences = len(parts.data.splits["train"])
    if config.refit.run is not None:
        return (
            f"batch {parts.data.batch_size}: all {sequences:,} sequences, also those to validate and to test "
            f"on; {trainer.max_steps:,} steps, as {config.refit.run} had taken when it was best"
        )
    words = f"batch {parts.data.batch_size}, lr {config.optimizer.rate:g}"
    if isinstance(config.model, RecurrentConfig) and config.model.dropped:
        words += f", dropout {config.model.dropped:g}"
    words += f": {sequences:,} sequences"
    limit = f" or {trainer.max_minutes:g} min" if trainer.max_minutes else ""
    words += f"; at most {trainer.max_epochs} epoch{'s' * (trainer.max_epochs != 1)}{limit}"
    if config.early_stopping.patience is None:
        return words
    return f"{words}, or until {config.early_stopping.patience} validations are no better"


def say_what_came_of_it(outcome: dict[str, Any]) -> None:
    """Print the metrics of the test, with the baseline's beside its metric, and the verdict."""
    if not outcome["test"]:
        log.info("\n%s", outcome["verdict"])
        return
    log.info("\ntest")
    baseline = outcome["baseline"]
    for name, value in outcome["test"].items():
        beside = f"   ({baseline['name']}: {shown(baseline['value'])})" if name == baseline["metric"] else ""
        log.info("  %-28s %s%s", name.removeprefix("test/"), shown(value), beside)
    undefined = [name.removeprefix("test/") for name, value in outcome["test"].items() if value is None]
    if undefined:
        log.info("  (not defined for these test data: %s)", ", ".join(undefined))
    log.info("\n%s", outcome["verdict"])


def say_what_is_next(folder: RunFolder, parts: RunParts, batch: SequenceBatch, seconds: float) -> None:
    """Print the folder, and the commands to type next."""
    model, data, run = parts.model, parts.data, folder.argument()
    log.info("\nrun    %s   (%.0f s)", folder, seconds)
    commands = []
    if model.spec.signature.inputs is not Kind.CONTINUOUS:
        text = model.examples(batch)[0].inputs
        short = len(text.split(" ")) <= MOST_SHOWN_STEPS
        commands.append(f"unroll predict {run} --text {shlex.quote(text) if short else 'TEXT'}")
    elif isinstance(data.config, FilesConfig):
        commands.append(f"unroll predict {run} --input FILE")
    beam = " --search beam" if isinstance(model, TokenGenerator) else ""
    tested = parts.config.refit.run is None
    commands += [*([f"unroll evaluate {run}{beam}"] if tested else []), "unroll dashboard"]
    for start, command in zip(["next  ", *[" " * 6] * 9], commands, strict=False):
        log.info("%s %s", start, command)


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return for_terminal(redact(super().format(record)))


class _Terminal(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is logging's
        """Go on without a terminal that has hung up, or a file that is full: the log has every line too."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            raise
        to_nowhere(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # `python train.py … | head`
            told = f"standard output: cannot be written ({reason(error)}); the run's log has the lines"
            print(told, file=sys.stderr)


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is logging's
        raise  # a full disk ends the run; logging would print a traceback for each line
