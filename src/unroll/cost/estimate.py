"""What an epoch of training will cost, and what other ways of training would save."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.table import Table

from unroll.cost.cell_costs import MEGABYTE
from unroll.cost.own_process import measure_in_own_process
from unroll.errors import InputError
from unroll.terminal import duration

if TYPE_CHECKING:
    from unroll.cost.measure import Measured

FEWEST_STEPS_TO_CUT = 20
"""Truncation is worth a try from this length on."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of training: the time of a step, the steps of an epoch, the peak memory.

    Where memory did not suffice, the time is NaN and the memory infinite. `counted_bytes` is the part of the
    memory that can be counted without running the whole batch; None where it cannot.
    """

    name: str
    step_ms: float
    steps: int
    memory_bytes: float
    counted_bytes: int | None

    @property
    def epoch_seconds(self) -> float:
        """The time of an epoch, without validation."""
        return self.step_ms * self.steps / 1e3


@dataclass(frozen=True, slots=True)
class Estimate:
    """The ways of training, the configured one first. `summary` describes that one in words."""

    ways: list[Way]
    summary: str

    def frame(self) -> pd.DataFrame:
        """A row for each way: name, step_ms, steps, memory_bytes, counted_bytes, epoch_seconds."""
        rows = [{**asdict(way), "epoch_seconds": way.epoch_seconds} for way in self.ways]
        return pd.DataFrame(rows)

    def table(self) -> Table:
        """The same for the terminal, with ratios to the configured way."""
        table = Table(title="training", box=box.SIMPLE, padding=(0, 0, 0, 1))
        table.add_column("way", no_wrap=True)
        headings = ("ms a\nstep", "steps", "s an\nepoch", "time\n×", "MB", "MB\ncounted", "mem-\nory ×")
        for heading in headings:
            table.add_column(heading, justify="right")
        configured = self.ways[0]
        for way in self.ways:
            table.add_row(
                way.name,
                _number(way.step_ms, 1),
                f"{way.steps:,}",
                _number(way.epoch_seconds, 1),
                _number(way.epoch_seconds / configured.epoch_seconds, 2),
                _number(way.memory_bytes / MEGABYTE, 1),
                "" if way.counted_bytes is None else _number(way.counted_bytes / MEGABYTE, 1),
                _number(way.memory_bytes / configured.memory_bytes, 2),
            )
        return table


def estimate_run(values: dict[str, Any]) -> Estimate:
    """What an epoch of a checked config costs as configured, with checkpointing toggled, and truncated.

    Each way is measured by training a few batches in a process of its own. Where a config asks for several
    devices, one of them is measured, with all of the data.

    Raises:
        InputError: the data are not what the config says, or the model cannot be trained as configured.
        MissingEnvironmentError: the system has killed a measuring process.
    """
    values = {**values, "trainer": {**values["trainer"], "devices": "1", "num_nodes": 1, "strategy": "auto"}}
    measured = measure_in_own_process(values)
    ways = [_way("as configured", measured)]
    for key, value in _other_settings(values, measured.longest).items():
        group, name = key.split(".")
        try:
            other = measure_in_own_process({**values, group: {**values[group], name: value}})
        except InputError:  # this model cannot be trained that way
            continue
        ways.append(_way(f"{key}={'null' if value is None else value}", other))
    return Estimate(ways, _summary(measured, ways[0]))


def _other_settings(values: dict[str, Any], longest: int) -> dict[str, Any]:
    """Keys of the config, each with another value that may save memory or time."""
    settings: dict[str, Any] = {}
    model = values["model"]
    if model.get("num_layers", 0) > 0 and "checkpoint_steps" in model:
        settings["model.checkpoint_steps"] = -1 if model["checkpoint_steps"] == 0 else 0
    if values["trainer"]["truncate_steps"] is not None:
        settings["trainer.truncate_steps"] = None
    elif longest >= FEWEST_STEPS_TO_CUT:
        settings["trainer.truncate_steps"] = longest // 10
    return settings


def _way(name: str, measured: "Measured") -> Way:
    step_ms = 1e3 * measured.batch_seconds * measured.batches / measured.steps
    return Way(name, step_ms, measured.steps, measured.memory_bytes, measured.counted_bytes)


def _summary(measured: "Measured", way: Way) -> str:
    if math.isinf(measured.memory_bytes):
        return "As configured it needs more memory than is free."
    epochs, seconds = measured.epochs, way.epoch_seconds
    return (
        f"An epoch takes about {duration(seconds)} without validation, and the run's {epochs} epochs take at "
        f"most {duration(epochs * seconds)}. "
        f"Training needs {measured.memory_bytes / MEGABYTE:.0f} MB besides "
        f'the {measured.program_bytes / MEGABYTE:.0f} MB of the program and the data. "MB counted" is what '
        "the tensors alone take, counted on two sequences."
    )


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "too much"
    return "" if math.isnan(value) else f"{value:,.{digits}f}"
