"""Signals that ask a run to stop: they are noted at once, and obeyed between two batches."""

import signal
from types import FrameType, TracebackType
from typing import Any

import lightning.pytorch as pl
import torch
from torch import distributed

from unroll.errors import Stopped
from unroll.runs.folder import RunFolder

STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT)


class Signals:
    """Within it, a stopping signal only sets `received`. A second Ctrl-C ends the program at once.

    Signals that were ignored before (such as under nohup) stay ignored.

    Attributes:
        received: the number of the first signal received, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._interrupted = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        for number in STOPPING_SIGNALS:
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                self._before[number] = handler
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def install(self) -> None:
        """Install the handlers. Call it again after Lightning has installed its own."""
        for number in self._before:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._interrupted:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            self._interrupted = True
        self.received = self.received or number


class Agreement:
    """What the processes of a run agree on. They ask from host to host, so that no device is waited for."""

    def __init__(self) -> None:
        self._hosts: Any = None

    def largest(self, trainer: pl.Trainer, *numbers: int) -> list[int]:
        """The maximum of each number over all processes, so that all processes act alike."""
        if trainer.world_size == 1:
            return list(numbers)
        if self._hosts is None:
            self._hosts = distributed.new_group(backend="gloo")
        shared = torch.tensor(numbers)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX, group=self._hosts)
        largest: list[int] = shared.tolist()
        return largest


def stopped(number: int, folder: RunFolder, step: int) -> Stopped:
    """The error that ends a run which a signal has stopped, after it is saved."""
    return Stopped(
        f"stopped by {signal.Signals(number).name} after step {step}; "
        f"`unroll resume {folder.argument()}` goes on from there",
        signal_number=number,
    )
