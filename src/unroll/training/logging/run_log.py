"""What a run says, on the terminal and in its run.log."""

import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unroll.batch import SequenceBatch
from unroll.config.components import RecurrentConfig
from unroll.config.root import TrainConfig
from unroll.data.module import SequenceDataModule
from unroll.data.readers.files_config import FilesConfig
from unroll.models.base import SequenceModel
from unroll.models.token_generator import TokenGenerator
from unroll.redact import redact
from unroll.runs import lock
from unroll.spec import Kind
from unroll.terminal import for_terminal

log = logging.getLogger("unroll")


@contextmanager
def logging_to(run_dir: Path, first: bool) -> Iterator[None]:
    """Send the lines of a run to the terminal and, with times, to a file; of the first process only.

    Raises:
        InputError: another process runs in the folder.
    """
    log.propagate = False
    log.setLevel(logging.INFO if first else logging.WARNING)
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(_Redacting("%(message)s"))
    file = _LogFile(run_dir / lock.LOG_FILE, encoding="utf-8")
    file.setFormatter(_Redacting("%(asctime)s %(message)s"))
    log.handlers = [terminal, file]
    try:
        if first:
            assert file.stream is not None
            lock.take(file.stream.fileno(), run_dir)
        yield
    finally:
        log.handlers = []
        file.close()


def say_what_runs(
    run_dir: Path,
    config: TrainConfig,
    model: SequenceModel,
    data: SequenceDataModule,
    saved: dict[str, Any] | None,
) -> None:
    """Model, data and folder, before anything is trained; and the step from which a saved run goes on."""
    sizes = ", ".join(f"{len(samples):,} {split}" for split, samples in data.splits.items())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    chosen = ""
    if isinstance(config.model, RecurrentConfig) and config.model.parameters is not None:
        chosen = f" with hidden_size={model.hparams['model']['hidden_size']}"
    log.info("model  %s, %s parameters%s", config.model.name, f"{parameters:,}", chosen)
    log.info("data   %s (%s): %s", config.data.name, data.description, sizes)
    log.info("run    %s%s\n", run_dir, f", on from step {saved['global_step']}" if saved else "")


def say_what_came_of_it(outcome: dict[str, Any]) -> None:
    """The metrics of the test."""
    log.info("\ntest")
    for name, value in outcome["test"].items():
        log.info("  %-28s %.4f", name.removeprefix("test/"), value)


def say_what_is_next(
    run_dir: Path, model: SequenceModel, data: SequenceDataModule, batch: SequenceBatch, seconds: float
) -> None:
    """The folder, and the commands that one would type next."""
    log.info("\nrun    %s   (%.0f s)", run_dir, seconds)
    commands = []
    if model.spec.signature.inputs is not Kind.CONTINUOUS:
        commands.append(f"unroll predict {run_dir} --text {shlex.quote(model.examples(batch)[0].inputs)}")
    elif isinstance(data.config, FilesConfig):
        commands.append(f"unroll predict {run_dir} --input FILE")
    beam = " --search beam" if isinstance(model, TokenGenerator) else ""
    commands += [f"unroll evaluate {run_dir}{beam}", "unroll dashboard"]
    for start, command in zip(["next  ", *[" " * 6] * 9], commands, strict=False):
        log.info("%s %s", start, command)


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return for_terminal(redact(super().format(record)))


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is logging's
        raise  # a full disk ends the run; by default each line would print a traceback
