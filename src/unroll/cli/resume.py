"""`unroll resume`: going on with a run that was stopped or killed."""

from pathlib import Path
from typing import Any

import click

from unroll.cli.options import RUN
from unroll.config import root as config
from unroll.errors import InputError
from unroll.redact import HIDDEN
from unroll.runs.folder import RunFolder
from unroll.training.processes.rank import is_first


@click.command()
@RUN
def resume(run: Path) -> None:
    """Go on with a run that was stopped or killed.

    RUN is its folder. It goes on there, with its own config, from its last checkpoint, and ends with the bits
    that it would have had.
    """
    if not run.is_dir():
        raise InputError(f"{run}: no such folder; give that of a run, as outputs/seq2seq/…/…")
    folder = RunFolder(run, writes=is_first())  # the other processes of a run come here, too
    if folder.read_results() is not None:
        raise InputError(
            f"{run}: has finished, nothing of it is left; for a new run that goes on with more epochs, add "
            f"ckpt_path={folder.last} trainer.max_epochs=… to the command in {folder.command}"
        )
    folder.require_free()
    values = _values(folder)
    values["run_dir"] = str(run)
    try:
        config.load(values).data.require_ready()
    except InputError as error:
        raise InputError(f"{folder.config}: {error}") from error
    from unroll.training.run import run as go_on

    go_on(values, resume=True)


def _values(folder: RunFolder) -> dict[str, Any]:
    """The values of a run's config.yaml, all of which stand there."""
    values = folder.read_config()
    text = folder.config.read_text(encoding="utf-8")
    for forbidden, what in ((HIDDEN, "a secret, which was left out"), ("${", "something to be looked up")):
        if forbidden in text:
            raise InputError(f"{folder.config}: holds {forbidden}, {what}; put the value there to go on")
    return values
