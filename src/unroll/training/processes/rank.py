"""Which of a run's processes this is, whoever has started it. Imports nothing heavy."""

import os

from unroll.errors import MissingEnvironmentError

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""The variables that say so, the surest first: torchrun sets the first two, Lightning the second in processes
that it starts itself, SLURM the last in every process of a job."""

RUN_DIR = "UNROLL_RUN_DIR"
"""The environment variable that tells a run's other processes where its folder is."""


def rank() -> int:
    """The number of this process among those of the run, from 0.

    Raises:
        MissingEnvironmentError: what says so is no number.
    """
    return next((number(variable) for variable in RANKS if os.environ.get(variable)), 0)


def is_first() -> bool:
    """Whether this process makes the run's folder, writes to it and speaks; the others only compute."""
    return rank() == 0


def number(variable: str) -> int:
    """A number that a launcher of processes has put into the environment; 0 without it.

    Raises:
        MissingEnvironmentError: it is none.
    """
    text = os.environ.get(variable) or "0"
    if not text.isdecimal():
        raise MissingEnvironmentError(f"{variable}={text}: is no number; it is a launcher's to set: unset it")
    return int(text)
