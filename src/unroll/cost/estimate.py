"""What training by a config will cost, measured on a few steps of it, and what other ways would save."""

import math
import multiprocessing
import signal
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from unroll.cost.memory import limit_memory
from unroll.cost.profile import MEGABYTE
from unroll.cost.table import Choice, Estimate
from unroll.errors import InputError, MissingEnvironmentError, UnrollError
from unroll.training.processes import sockets

if TYPE_CHECKING:
    from unroll.cost.measure import Measured

FEWEST_STEPS = 20
"""Of the longest sequence, for cutting it to be worth while."""


def estimate_run(values: dict[str, Any]) -> Estimate:
    """What an epoch of a checked config takes: as it is, with checkpointing or without, and truncated or not.

    Each way is measured by training a few batches in a process of its own. Where there are several devices
    it is one that is measured, with all of the data.

    Raises:
        InputError: the data are not what the config says, or the model cannot be trained so.
        MissingEnvironmentError: the system has ended such a process.
    """
    values = {**values, "trainer": {**values["trainer"], "devices": "1", "strategy": "auto"}}
    found = _measured(values)
    choices = [_choice("as configured", found)]
    for key, value in _other_ways(values, found.longest).items():
        group, name = key.split(".")
        try:
            other = _measured({**values, group: {**values[group], name: value}})
        except InputError:  # this model has no such way
            continue
        choices.append(_choice(f"{key}={'null' if value is None else value}", other))
    return Estimate(choices, _summary(values, found, choices[0]))


def _other_ways(values: dict[str, Any], longest: int) -> dict[str, Any]:
    """Keys of the config, and values that they could have instead."""
    ways: dict[str, Any] = {}
    model = values["model"]
    if model.get("num_layers", 0) > 0 and "checkpoint_steps" in model:
        ways["model.checkpoint_steps"] = -1 if model["checkpoint_steps"] == 0 else 0
    if values["trainer"]["truncate_steps"] is not None:
        ways["trainer.truncate_steps"] = None
    elif longest >= FEWEST_STEPS:
        ways["trainer.truncate_steps"] = longest // 10
    return ways


def _choice(name: str, found: "Measured") -> Choice:
    step_ms = 1e3 * found.batch_seconds * found.batches / found.steps
    return Choice(name, step_ms, found.steps, found.memory_bytes, found.counted_bytes)


def _summary(values: dict[str, Any], found: "Measured", choice: Choice) -> str:
    if math.isinf(found.memory_bytes):
        return "As configured it needs more memory than is free."
    epochs, seconds = values["trainer"]["max_epochs"], choice.epoch_seconds
    return (
        f"An epoch takes about {_duration(seconds)}, validation aside, and {epochs} of them "
        f"{_duration(epochs * seconds)}. Training needs {found.memory_bytes / MEGABYTE:.0f} MB besides the "
        f"{found.program_bytes / MEGABYTE:.0f} MB that program and data take. Counted is what tensors alone "
        "take, told from two sequences."
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _measured(values: dict[str, Any]) -> "Measured":
    sockets.keep_paths_short()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["unroll.cost.measure"])  # imported once, not by each
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(values, sender))
    process.start()
    sender.close()
    try:
        found: Measured | UnrollError = receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode == 1:
            raise RuntimeError("what measured has failed, as the traceback above says") from None
        raise MissingEnvironmentError(
            "the system has ended what measured, most likely for want of memory; "
            "try a smaller data.batch_size, or model.checkpoint_steps=-1"
        ) from None
    finally:
        process.kill()
        process.join()
    if isinstance(found, UnrollError):
        raise found
    return found


def _measure(values: dict[str, Any], sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one ends it
    # Loaders' workers as those of a run; a fork server could not be sent so many samples.
    multiprocessing.set_start_method("spawn" if sys.platform == "darwin" else "fork", force=True)
    import torch

    from unroll.cost.measure import measure

    if values["trainer"]["accelerator"] == "cpu" or not torch.cuda.is_available():
        limit_memory()
    try:
        sender.send(measure(values))
    except UnrollError as error:
        sender.send(error)
