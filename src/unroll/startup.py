"""What a program does before anything else: it looks at what it was started with. Imports nothing heavy.

A shell, a launcher or a batch system may start it with closed streams, in a folder that is gone, or with
environment variables that make a package fail as it is imported.
"""

import io
import logging
import os
import sys
from pathlib import Path

from unroll.errors import MissingEnvironmentError
from unroll.terminal import DEBUG_VARIABLE

LAUNCHER_VARIABLES = (
    *(
        "RANK",
        "LOCAL_RANK",
        "GROUP_RANK",
        "NODE_RANK",
        "WORLD_SIZE",
        "GROUP_WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "MASTER_PORT",
    ),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"),
    *("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES", "SLURM_RESTART_COUNT", "JSM_NAMESPACE_RANK"),
)
"""The environment variables of launchers that Unroll, Lightning or torch reads as a number."""

MOST_DIGITS = 9

WARNINGS = "py.warnings"
"""The logger that gets the warnings of packages, once they are captured. A run sends them to its log."""


def open_streams() -> None:
    """Open what is closed of standard input, output and error to nowhere, and keep warnings off the terminal.

    Else the next file that is opened would become standard output, say. UNROLL_DEBUG shows warnings.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    if not os.environ.get(DEBUG_VARIABLE):
        logging.getLogger(WARNINGS).propagate = False
        logging.captureWarnings(True)


def escape_letters() -> None:
    """Print letters that standard output lacks as escapes: no run is to end over one."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def require_environment() -> None:
    """Check what packages rely on as they are imported.

    Raises:
        MissingEnvironmentError: the working folder is gone, or a launcher's variable is no number.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise MissingEnvironmentError(
            f"the working folder cannot be used ({error.strerror}); change to another one, with cd"
        ) from error
    for variable in LAUNCHER_VARIABLES:
        number(variable)
    # Nothing here draws in a window, and matplotlib cannot be imported with a backend that it does not know.
    os.environ["MPLBACKEND"] = "agg"


def number(variable: str) -> int:
    """The number in an environment variable of a launcher; 0 if the variable is not set.

    Raises:
        MissingEnvironmentError: the variable does not hold a number.
    """
    text = os.environ.get(variable) or "0"
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise MissingEnvironmentError(
            f"{variable}={text}: is not a number; launchers of processes set this variable: unset it"
        )
    return int(text)
