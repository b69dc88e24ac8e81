"""What training a model will cost, and what checkpointing and truncation would save of it."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TypeVar

import pandas as pd
from rich import box
from rich.table import Table
from torch import Tensor, nn
from torch.optim import Optimizer

from unroll.cost.cells import median_seconds
from unroll.cost.memory import peak_bytes, size_of
from unroll.cost.profile import MEGABYTE
from unroll.nn.recurrence import Recurrence

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Choice:
    """One way of training: the time of a step, the steps of an epoch, the most memory in use.

    Where memory did not suffice the time is NaN and the memory infinite. `counted_bytes` is what can be told
    of the memory without running all of it.
    """

    name: str
    step_ms: float
    steps: int
    memory_bytes: float
    counted_bytes: int | None = None

    @property
    def epoch_seconds(self) -> float:
        """How long an epoch takes, without validation."""
        return self.step_ms * self.steps / 1e3


@dataclass(frozen=True, slots=True)
class Estimate:
    """The ways of training, as the config says first; `summary` says it in words."""

    choices: list[Choice]
    summary: str = ""

    def frame(self) -> pd.DataFrame:
        """A row for each choice: name, step_ms, steps, memory_bytes, counted_bytes, epoch_seconds."""
        rows = [{**asdict(choice), "epoch_seconds": choice.epoch_seconds} for choice in self.choices]
        return pd.DataFrame(rows)

    def table(self) -> Table:
        """The same for the terminal, beside the first choice."""
        table = Table(title="training", box=box.SIMPLE, padding=(0, 0, 0, 1))
        table.add_column("way", no_wrap=True)
        headers = ("ms a\nstep", "steps", "s an\nepoch", "time\n×", "MB", "MB\ncounted", "mem-\nory ×")
        for header in headers:
            table.add_column(header, justify="right")
        first = self.choices[0]
        for choice in self.choices:
            table.add_row(
                choice.name,
                _number(choice.step_ms, 1),
                f"{choice.steps:,}",
                _number(choice.epoch_seconds, 1),
                _number(choice.epoch_seconds / first.epoch_seconds, 2),
                _number(choice.memory_bytes / MEGABYTE, 1),
                "" if choice.counted_bytes is None else _number(choice.counted_bytes / MEGABYTE, 1),
                _number(choice.memory_bytes / first.memory_bytes, 2),
            )
        return table


def estimate(
    model: nn.Module,
    optimizer: Optimizer,
    loss: Callable[[B], Tensor],
    batch: B,
    batches: int,
    *,
    truncated: tuple[B, int] | None = None,
    repeats: int = 3,
) -> Estimate:
    """Measure steps of training on `batch`, of which an epoch has so many: take the longest for the memory.

    As configured; with checkpointing over √T steps; and on the first segment of a `truncated` batch, which
    falls into so many. Every step moves the weights: the model is not to be trained on, or saved.

    Memory is that of weights, gradients, the optimizer's state and activations; not of the batch itself.
    """
    device = next(model.parameters()).device

    def measure(name: str, batch: B, steps: int) -> Choice:
        def step() -> None:
            optimizer.zero_grad()
            loss(batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        seconds = median_seconds(step, device, repeats)
        optimizer.zero_grad()
        state = [v for values in optimizer.state.values() for v in values.values() if isinstance(v, Tensor)]
        held = size_of([*model.parameters(), *model.buffers(), *state])
        return Choice(name, 1e3 * seconds, steps, held + peak_bytes(step, device))

    model.train()
    choices = [measure("as configured", batch, batches)]
    with _checkpointed(model):
        choices.append(measure("checkpointed, √T", batch, batches))
    if truncated is not None:
        segment, pieces = truncated
        choices.append(measure("truncated", segment, batches * pieces))
    return Estimate(choices)


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "too much"
    return "" if math.isnan(value) else f"{value:,.{digits}f}"


@contextmanager
def _checkpointed(model: nn.Module) -> Iterator[None]:
    recurrences = [module for module in model.modules() if isinstance(module, Recurrence)]
    before = [recurrence.checkpoint_steps for recurrence in recurrences]
    try:
        for recurrence in recurrences:
            recurrence.checkpoint_steps = -1
        yield
    finally:
        for recurrence, steps in zip(recurrences, before, strict=True):
            recurrence.checkpoint_steps = steps
