"""Times that can be compared on a noisy machine: taken in turns, as medians, and read as ratios."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some numbers, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        """The spread of two numbers or more."""
        low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def synchronised() -> float:
    """The time in seconds, once a GPU that this process uses has done its work."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(work: Callable[..., object], *arguments: object) -> Callable[[], float]:
    """A function that calls `work` with the arguments and returns the seconds it took."""

    def measure() -> float:
        start = time.perf_counter()
        work(*arguments)
        return time.perf_counter() - start

    return measure


def in_turns(contestants: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each contestant, which return their own: A, B, A, B … after a first round not counted.

    What slows the machine down for a while then slows all of them alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, measure in contestants.items():
            taken = measure()
            if turn > 0:
                seconds[name].append(taken)
    return seconds


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """How many times as long `above` takes: of each time and the one measured next to it."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
