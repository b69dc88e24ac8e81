"""What a program outside has started: torchrun or srun, on one node or several. Imports nothing heavy."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from unroll.config.root import TrainerConfig
from unroll.errors import MissingEnvironmentError, UnrollError
from unroll.startup import number

WAIT_SECONDS = 10.0
"""How long a process leaves the first of its node to print what all of them know."""


@dataclass(frozen=True, slots=True)
class Started:
    """The processes of a run that another program has started together, this one included.

    Attributes:
        by: the program, torchrun or srun.
        local_rank: the number of this process among those of its node.
    """

    by: str
    processes: int
    nodes: int
    local_rank: int

    @property
    def devices(self) -> int:
        """The processes of each node; 0 where nodes differ."""
        return 0 if self.processes % self.nodes else self.processes // self.nodes


def by_torchrun() -> bool:
    """Whether an agent of torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def started() -> Started | None:
    """What has been started; None if nothing, and the run starts its other processes itself.

    Raises:
        MissingEnvironmentError: a variable of the launcher does not hold a number.
    """
    if by_torchrun():
        counts = number("WORLD_SIZE"), number("GROUP_WORLD_SIZE") or 1
        return Started("torchrun", *counts, number("LOCAL_RANK"))
    if (tasks := number("SLURM_STEP_NUM_TASKS")) > 1:
        return Started("srun", tasks, number("SLURM_STEP_NUM_NODES") or 1, number("SLURM_LOCALID"))
    return None


def require_started(config: TrainerConfig, devices: int) -> None:
    """Raise a `MissingEnvironmentError` unless the run's processes are there, or can be started here.

    `devices` is their number on each node.
    """
    found, nodes = started(), config.num_nodes
    if found is None:
        if nodes == 1:
            return
        raise MissingEnvironmentError(
            f"trainer.num_nodes={nodes}: the processes of several nodes are started by torchrun on each of "
            "them, or by srun, but this one was started alone; see docs/clusters.md"
        )
    if found.devices == devices and found.nodes == nodes:
        return
    what = f"trainer.num_nodes={nodes} trainer.devices={config.devices}"
    have = f"{found.processes} process{'es' * (found.processes > 1)}"
    where = f"{found.nodes} node{'s' * (found.nodes > 1)}"
    if not found.devices:
        fix = "start as many on each node"
    else:
        strategy = " trainer.strategy=ddp" if found.processes > 1 else ""
        fix = f"give trainer.num_nodes={found.nodes} trainer.devices={found.devices}{strategy}"
    raise MissingEnvironmentError(f"{what}: {found.by} has started {have} on {where}; {fix}")


@contextmanager
def told_once() -> Iterator[None]:
    """Within it, an error that meets all processes alike is told by the first of each node alone.

    The others wait: torchrun ends a node's processes with the first that fails, also before it has printed.
    """
    try:
        yield
    except UnrollError as error:
        found = started()
        if found is None or found.local_rank == 0:
            raise
        time.sleep(WAIT_SECONDS)
        raise SystemExit(error.exit_code) from error
