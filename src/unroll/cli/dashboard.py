"""`unroll dashboard`: the local runs in the terminal, or a workspace on the W&B server."""

import json
import os
import sys
from pathlib import Path

import click

from unroll.cli.options import PATH
from unroll.errors import InputError, MissingEnvironmentError

WANDB_FOLDER = Path("outputs/wandb")

LEFT = ".wandb-leet.json"

FIRST_CURVES = "^valid/"


@click.command()
@click.argument("folder", type=PATH, required=False)
@click.option("--publish", is_flag=True, help="Make Unroll's workspace on the W&B server instead.")
@click.option("--project", default="unroll", show_default=True, help="For --publish: the project.")
@click.option("--entity", help="For --publish: the team or user; by default that of the API key.")
def dashboard(folder: Path | None, publish: bool, project: str, entity: str | None) -> None:
    """Open the local runs in W&B's terminal dashboard, also while a run is training.

    The first page shows the curves of validation; / changes which are shown.

    FOLDER is the folder of W&B. By default it is outputs/wandb here, in a folder above, or beside Unroll.
    """
    if publish:
        _publish(project, entity)
        return
    folder = folder or _nearest()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; train with logger=wandb first, or name another")
    _show_validation(folder)
    os.execv(sys.executable, [sys.executable, "-m", "wandb", "leet", str(folder)])


def _show_validation(folder: Path) -> None:
    """Have the first page show the curves of validation, unless a person has left it in another way.

    LEET keeps how it was left in this file. It sorts charts by name: those of rates would come first.
    """
    try:
        with (folder / LEFT).open("x") as file:
            json.dump({"metrics_filter": {"query": FIRST_CURVES}}, file)
    except OSError:  # it is there, or the folder is another person's
        return


def _nearest() -> Path:
    from unroll.config.compose import CONF

    here = Path.cwd()
    return next(
        (top / WANDB_FOLDER for top in (here, *here.parents, CONF.parent) if (top / WANDB_FOLDER).is_dir()),
        WANDB_FOLDER,
    )


def _publish(project: str, entity: str | None) -> None:
    from unroll.training.logging.wandb_server import why_not_online

    reason = why_not_online()
    if reason:
        raise MissingEnvironmentError(f"--publish: {reason}")
    try:
        from unroll.training.logging.wandb_workspace import publish
    except ImportError as error:
        raise MissingEnvironmentError(
            "--publish: needs the package wandb-workspaces; pip install wandb-workspaces"
        ) from error
    print(publish(project, entity))
