"""`unroll refit`: trains once more on all of the data."""

from pathlib import Path
from typing import Any

import click

from unroll.cli.options import RUN_ARGUMENT
from unroll.cli.resume import plain_values
from unroll.errors import InputError
from unroll.runs.folder import RunFolder
from unroll.startup import escape_letters
from unroll.training.processes.rank import is_first
from unroll.training.processes.started import told_once


@click.command()
@RUN_ARGUMENT
def refit(run: Path) -> None:
    """Train what a run has trained once more, on all of its data.

    RUN is the folder of a run that has finished. The new run has its config, and learns also from the parts
    to validate and to test on. It takes as many steps as RUN had taken when it was best, at the same learning
    rates. It has no test of its own: that of RUN tells how good it is. It can be resumed like any run.
    """
    with told_once():
        folder, values, results = _checked(run)
        from unroll.training.refit import refit_values

        values = refit_values(folder, values, results)
    from unroll.training.run import run as train

    escape_letters()
    train(values)


def _checked(run: Path) -> tuple[RunFolder, dict[str, Any], dict[str, Any]]:
    """The folder, the values and the results of a run that can be done once more."""
    if not run.is_dir():
        raise InputError(f"{run}: no such folder; give a run's folder, such as outputs/many_to_one/…/…")
    folder = RunFolder(run, writes=is_first())
    values, results = plain_values(folder, "refit"), folder.read_results()
    if results is None:
        raise InputError(
            f"{run}: has not finished; continue it with `unroll resume {folder.argument()}` first"
        )
    if values.get("refit", {}).get("run") is not None:
        raise InputError(f"{run}: has learned from all of its data already; nothing is left to add")
    if values.get("ckpt_path") is not None:
        raise InputError(
            f"{run}: went on from another checkpoint (ckpt_path={values['ckpt_path']}), whose steps cannot "
            "be done once more; refit a run that began anew"
        )
    return folder, values, results
