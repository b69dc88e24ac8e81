"""The program `unroll`, for runs that are trained. Each command is a file."""

import os

import click

from unroll.cli.dashboard import dashboard
from unroll.cli.describe import describe
from unroll.cli.evaluate import evaluate
from unroll.cli.export import export
from unroll.cli.gradients import gradients
from unroll.cli.graph import graph
from unroll.cli.keys import keys
from unroll.cli.packing import packing
from unroll.cli.predict import predict
from unroll.cli.profile import profile
from unroll.cli.refit import refit
from unroll.cli.report import report
from unroll.cli.resume import resume
from unroll.cli.scoreboard import scoreboard
from unroll.cli.trace import trace
from unroll.errors import InputError
from unroll.startup import open_streams, require_environment
from unroll.terminal import boundary, take_debug_flag


def main() -> None:
    """Run the program; every error ends in one line."""
    open_streams()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in train.py
    take_debug_flag()
    with boundary():
        require_environment()
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

    RUN is a run's folder, such as outputs/seq2seq/cmudict/…, or a checkpoint file.

    With --debug, every command also shows the traceback of an error.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


for command in (
    *(keys, describe, predict, evaluate, resume, refit, export, report, scoreboard, dashboard),
    *(trace, graph, packing, profile, gradients),
):
    cli.add_command(command)
