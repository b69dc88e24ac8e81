"""The settings of several runs: those that vary, and those that are the same in all."""

from collections import Counter

from unroll.report.files import RunSummary
from unroll.report.values import NO_VALUE, flat, number_of, place, show_setting
from unroll.runs.effect import KEYS_WITHOUT_EFFECT

SEED = "seed"
MOST_LISTED_VALUES = 12

PREFIXES_WITHOUT_EFFECT = tuple(flat(KEYS_WITHOUT_EFFECT))


class Settings:
    """The settings that distinguish runs.

    Attributes:
        varied: the keys with several values. A sweep's keys are named as on its command line.
        follow: for a varied key, the keys whose values follow from its value, like those of a cell.
        same: the keys with one value, each with that value.
    """

    def __init__(self, runs: list[RunSummary]) -> None:
        self.varied: list[str] = []
        self.follow: dict[str, list[str]] = {}
        self.same: dict[str, str] = {}
        is_sweep = all(run.overrides for run in runs)
        asked = dict.fromkeys(key for run in runs for key in run.overrides)
        held = sorted({key: None for run in runs for key in run.config}, key=lambda key: not _is_name(key))
        for key in dict.fromkeys([*asked, *held] if is_sweep or not held else held):
            known = {setting(run, key) for run in runs if run.config or key in run.overrides}
            if key.startswith(PREFIXES_WITHOUT_EFFECT):
                continue
            if len(known) == 1:
                self.same[key] = known.pop()
            elif key in asked or key == SEED:
                self.varied.append(key)
            elif not is_sweep and len(known - {NO_VALUE}) > 1:
                self._place(key, runs)

    def _place(self, key: str, runs: list[RunSummary]) -> None:
        """Add a key to `varied`, or to `follow` where its value follows from the name of its group."""
        parents = [f"{key[:dot]}.name" for dot, letter in enumerate(key) if letter == "."]
        for parent in (parent for parent in parents if parent in self.varied):
            pairs = {(setting(run, parent), setting(run, key)) for run in runs}
            if len(pairs) == len({name for name, _ in pairs}):
                self.follow.setdefault(parent, []).append(key)
                return
        self.varied.append(key)

    def short(self, key: str) -> str:
        """The last part of a key, unless another varied key ends alike; the group for the key of its name."""
        ends = [_end(other) for other in self.varied]
        return _end(key) if ends.count(_end(key)) <= 1 else key

    def label(self, run: RunSummary, *, seed: bool = False) -> str:
        """The varied settings of a run, without its seed unless `seed`."""
        own = {self.short(key): setting(run, key) for key in self.varied if seed or key != SEED}
        return ", ".join(f"{name}={show_setting(value)}" for name, value in own.items()) or "all runs"


def counted(key: str, runs: list[RunSummary]) -> str:
    """The values of a key in order, each with its number of runs. Many numbers give their range."""
    counts = Counter(setting(run, key) for run in runs)
    numbers = [number for value in counts if (number := number_of(value)) is not None]
    if len(counts) > MOST_LISTED_VALUES and len(numbers) == len(counts):
        return f"{len(counts)} values from {min(numbers):.4g} to {max(numbers):.4g}"
    order = sorted(counts, key=place)
    shown = ", ".join(f"{show_setting(value)} ({counts[value]})" for value in order[:MOST_LISTED_VALUES])
    return f"{shown} and {len(order) - MOST_LISTED_VALUES} more" if len(order) > MOST_LISTED_VALUES else shown


def setting(run: RunSummary, key: str) -> str:
    """The value of a key in a run, as text. A group such as model/cell gives its choice."""
    in_config = key.replace("/", ".")
    for name in (in_config, f"{in_config}.name"):
        if name in run.config and key not in run.overrides:
            return run.config[name]
    return run.overrides.get(key, NO_VALUE)


def _end(key: str) -> str:
    return key.replace("/", ".").removesuffix(".name").rpartition(".")[2]


def _is_name(key: str) -> bool:
    return key.endswith(".name")
