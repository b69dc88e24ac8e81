"""`unroll resume`: continues a run that was stopped or killed."""

import shlex
from pathlib import Path
from typing import Any

import click

from unroll.cli.options import RUN_ARGUMENT
from unroll.config import root as config
from unroll.errors import InputError
from unroll.redact import HIDDEN_VALUE
from unroll.runs.folder import RunFolder
from unroll.startup import escape_letters
from unroll.training.processes.rank import is_first
from unroll.training.processes.started import started, told_once


@click.command()
@RUN_ARGUMENT
def resume(run: Path) -> None:
    """Continue a run that was stopped or killed.

    RUN is its folder. The run continues there with its own config from its last checkpoint. It ends with the
    same bits as without the interruption.
    """
    with told_once():
        values = _checked(run)
    from unroll.training.run import run as go_on

    escape_letters()
    go_on(values, resume=True)


def _checked(run: Path) -> dict[str, Any]:
    """The values of a run that can go on."""
    if not run.is_dir():
        raise InputError(f"{run}: no such folder; give a run's folder, such as outputs/seq2seq/…/…")
    folder = RunFolder(run, writes=is_first())  # all processes of a run execute this
    if folder.read_results() is not None:
        origin = shlex.quote(f"ckpt_path={folder.last}")
        raise InputError(
            f"{run}: has finished; to continue it with more epochs in a new run, add "
            f"{origin} trainer.max_epochs=… to the command in {folder.command}"
        )
    folder.require_free()
    values = plain_values(folder, "resume")
    values["run_dir"] = str(run)
    if (found := started()) and found.devices:  # it may go on with other processes than before
        values["trainer"] = {**values["trainer"], "devices": str(found.devices), "num_nodes": found.nodes}
    try:
        config.load(values).data.require_ready()
    except InputError as error:
        raise InputError(f"{folder.config}: {error}") from error
    return values


def plain_values(folder: RunFolder, purpose: str) -> dict[str, Any]:
    """The values of a run's config.yaml. Raise an `InputError` if one is missing or refers to another."""
    values = folder.read_config()
    text = folder.config.read_text(encoding="utf-8")
    for forbidden, what in (
        (HIDDEN_VALUE, "in place of a secret"),
        ("${", "a reference to another value"),
    ):
        if forbidden in text:
            raise InputError(
                f"{folder.config}: holds {forbidden}, {what}; write the value there to {purpose}"
            )
    return values
