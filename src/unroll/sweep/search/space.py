"""What a sweep varies and what it keeps, in the grammar of Hydra's command line."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from unroll.config.compose import CONF
from unroll.config.mistakes import composition_errors
from unroll.errors import InputError

SWEEP_KEYS = ("sweep", "hydra", "run_dir")
"""The parts of the config that belong to the sweep, not to a trial."""

MOST_COMBINATIONS = 10_000
"""A grid with more combinations is a slip."""


class Space:
    """The axes of a sweep by key, and the overrides that are the same for all its trials.

    Raises:
        InputError: a value cannot be read, an axis has no values, or it varies one of the sweep's own keys.
    """

    def __init__(self, search_space: Mapping[str, str], given: Sequence[str], loader: ConfigLoader) -> None:
        written = [f"{key}={value}" for key, value in search_space.items()]
        parser = OverridesParser.create(config_loader=loader)
        overrides: dict[str, Override] = {}
        with composition_errors(CONF):
            for override in parser.parse_overrides([*written, *given]):  # the given ones replace the others
                overrides[override.get_key_element()] = override
        if "run_dir" in overrides:
            raise InputError(
                f"{overrides['run_dir'].input_line}: a trial's folder lies in the sweep's folder; "
                "name the sweep, as sweep.name=NAME"
            )
        self.axes = {key: each for key, each in overrides.items() if each.is_sweep_override()}
        self.fixed = [str(each.input_line) for each in overrides.values() if not each.is_sweep_override()]
        for key, axis in self.axes.items():
            _require_usable(key, axis)
        ends = Counter(_end(key) for key in self.axes)
        self.short = {key: _end(key) if ends[_end(key)] == 1 else key.lstrip("+") for key in self.axes}

    @property
    def text(self) -> dict[str, str]:
        """The axes as they were written."""
        return {key: axis.get_value_string() for key, axis in self.axes.items()}

    def combinations(self) -> list[dict[str, str]]:
        """Every combination of the axes' values, the last axis fastest.

        Raises:
            InputError: an axis has infinitely many values, or there are too many combinations.
        """
        for key, axis in self.axes.items():
            if axis.is_interval_sweep():
                raise InputError(
                    f"{axis.input_line}: a grid needs values, as {key}=1,2,3; "
                    "or sample the interval, with sweep=optuna"
                )
        number = math.prod(_count(axis) for axis in self.axes.values())
        if number > MOST_COMBINATIONS:
            raise InputError(
                f"{' '.join(str(axis.input_line) for axis in self.axes.values())}: {number:,} combinations; "
                "a grid runs them all; sample them, with sweep=optuna"
            )
        lists = [values(axis) for axis in self.axes.values()]
        return [dict(zip(self.axes, combination, strict=True)) for combination in itertools.product(*lists)]

    def samples(self) -> Iterator[dict[str, str]]:
        """Combinations that together hold all choices of each axis, and both ends of intervals and ranges."""
        lists = [_examples(axis) for axis in self.axes.values()]
        for index in range(max((len(examples) for examples in lists), default=1)):
            yield {
                key: examples[min(index, len(examples) - 1)]
                for key, examples in zip(self.axes, lists, strict=True)
            }

    def label(self, varied: Mapping[str, str]) -> str:
        """What varies, in short for people: cell=lstm lr=0.003."""
        return " ".join(f"{self.short[key]}={rounded(value)}" for key, value in varied.items())


def values(axis: Override) -> list[str]:
    """The values of a choice or a range, as on the command line."""
    with composition_errors(CONF):
        return list(axis.sweep_string_iterator())


def bounds(sweep: RangeSweep) -> tuple[int, int, int] | tuple[float, float, float]:
    """The smallest and the largest value of a range, and the step between its values."""
    start, step = sweep.start, sweep.step
    assert start is not None
    last = start + (_length(sweep) - 1) * step
    if isinstance(start, int) and isinstance(step, int):
        return min(start, last), max(start, last), abs(step)
    return float(min(start, last)), round(float(max(start, last)), 12), float(abs(step))


def _length(sweep: RangeSweep) -> int:
    assert sweep.start is not None
    assert sweep.stop is not None
    steps = (sweep.stop - sweep.start) / sweep.step
    return max(0, math.ceil(round(steps, 9)))


def _count(axis: Override) -> int:
    value = axis.value()
    return _length(value) if isinstance(value, RangeSweep) else len(values(axis))


def _examples(axis: Override) -> list[str]:
    value = axis.value()
    if isinstance(value, IntervalSweep):
        return [repr(value.start), repr(value.end)]
    if isinstance(value, RangeSweep):
        return [repr(end) for end in bounds(value)[:2]]
    return values(axis)


def _require_usable(key: str, axis: Override) -> None:
    """Raise an `InputError` where an axis has no values or varies a key that no trial has."""
    line = axis.input_line
    if _first(key) in SWEEP_KEYS:
        fix = f"; write {key.removeprefix('sweep.search_space.')}=…" if "search_space" in key else ""
        raise InputError(f"{line}: is the same for all trials of a sweep{fix}")
    value = axis.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        if not value.start < value.end:
            raise InputError(f"{line}: must go from a smaller to a larger number")
        if "log" in value.tags and value.start <= 0:
            raise InputError(f"{line}: a logarithmic scale needs positive numbers")
        return
    if isinstance(value, RangeSweep):
        if value.step == 0:
            raise InputError(f"{line}: needs a step other than 0")
        if "log" in value.tags and (value.step != 1 or not isinstance(value.start, int)):
            raise InputError(f"{line}: a logarithmic scale has no step; write tag(log,interval(…))")
    if _count(axis) == 0:
        raise InputError(f"{line}: holds no value")


def _first(key: str) -> str:
    return key.lstrip("+~").partition("@")[0].partition(".")[0].partition("/")[0]


def _end(key: str) -> str:
    return key.replace("/", ".").rpartition(".")[2].lstrip("+")


def rounded(value: str) -> str:
    """A value with four significant digits: 0.001235 for 0.0012345678."""
    try:
        return value if value.isdigit() else f"{float(value):.4g}"
    except ValueError:
        return value
