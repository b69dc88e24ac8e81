"""A measurement in a process of its own: nothing that ran before it counts, and it may run out of memory."""

import multiprocessing
import signal
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from unroll.errors import MissingEnvironmentError, UnrollError
from unroll.training.processes import sockets

if TYPE_CHECKING:
    from unroll.cost.measure import Measured


def measure_in_own_process(values: dict[str, Any]) -> "Measured":
    """What `measure` finds for a checked config.

    Raises:
        InputError: the data are not what the config says, or the model cannot be trained as configured.
        MissingEnvironmentError: the system has killed the process.
    """
    sockets.keep_paths_short()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unroll.cost.measure"])  # imported once, not by each process
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(values, sender))
    process.start()
    sender.close()
    try:
        answer: Measured | UnrollError = receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode == 1:
            raise RuntimeError("the measuring process failed; its traceback stands above") from None
        raise MissingEnvironmentError(
            "the system has killed the measuring process, most likely for want of memory; "
            "try a smaller data.batch_size, or model.checkpoint_steps=-1"
        ) from None
    finally:
        process.kill()
        process.join()
    if isinstance(answer, UnrollError):
        raise answer
    return answer


def _measure(values: dict[str, Any], sender: Connection) -> None:
    """What the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one ends it
    # Loaders' workers start as in a run: a fork server could not be sent all samples.
    multiprocessing.set_start_method("spawn" if sys.platform == "darwin" else "fork", force=True)
    import torch

    from unroll.cost.measure import measure
    from unroll.cost.memory import limit_memory

    if values["trainer"]["accelerator"] == "cpu" or not torch.cuda.is_available():
        limit_memory()
    try:
        sender.send(measure(values))
    except UnrollError as error:
        sender.send(error)
