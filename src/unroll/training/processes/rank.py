"""The rank of this process in its run, whichever program started it. Imports nothing heavy."""

import os

from unroll.startup import number

RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""The environment variables that hold the rank, the most reliable first. torchrun sets the first two,
Lightning the second in the processes that it starts, SLURM the third in every process of a job."""

RUN_DIR_VARIABLE = "UNROLL_RUN_DIR"
"""The environment variable that tells the other processes of a run where its folder is."""


def rank() -> int:
    """The number of this process among those of the run, from 0.

    Raises:
        MissingEnvironmentError: a variable does not hold a number.
    """
    return next((number(variable) for variable in RANK_VARIABLES if os.environ.get(variable)), 0)


def is_first() -> bool:
    """Whether this process makes the run's folder, writes to it and prints. The others only compute."""
    return rank() == 0
