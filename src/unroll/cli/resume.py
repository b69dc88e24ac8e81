"""`unroll resume`: going on with a run that was stopped or killed."""

import os
from pathlib import Path
from typing import Any

import click

from unroll.cli.options import RUN
from unroll.config import root as config
from unroll.errors import InputError
from unroll.foreign import read_yaml, require_plain_yaml
from unroll.redact import HIDDEN
from unroll.runs import lock


@click.command()
@RUN
def resume(run: Path) -> None:
    """Go on with a run that was stopped or killed.

    RUN is its folder. It goes on there, with its own config, from its last checkpoint, and ends with the bits
    that it would have had.
    """
    if not run.is_dir():
        raise InputError(f"{run}: no such folder; give that of a run, as outputs/seq2seq/…/…")
    if (run / "results.json").exists():
        raise InputError(
            f"{run}: has finished, nothing of it is left; for a new run that goes on with more epochs, add "
            f"ckpt_path={run}/checkpoints/last.ckpt trainer.max_epochs=… to the command in {run}/command.txt"
        )
    if os.environ.get("LOCAL_RANK", "0") == "0":  # the other processes of a run come here, too
        lock.require_free(run)
    values = _values(run / "config.yaml")
    values["run_dir"] = str(run)
    try:
        config.load(values).data.require_ready()
    except InputError as error:
        raise InputError(f"{run / 'config.yaml'}: {error}") from error
    from unroll.training.run import run as go_on

    go_on(values, resume=True)


def _values(path: Path) -> dict[str, Any]:
    """The values of a run's config.yaml; nothing in it is looked up or executed."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, a run was never begun in this folder; give another")
    text = require_plain_yaml(path)
    for forbidden, what in ((HIDDEN, "a secret, which was left out"), ("${", "something to be looked up")):
        if forbidden in text:
            raise InputError(f"{path}: holds {forbidden}, {what}; put the value there to go on")
    return read_yaml(path)
