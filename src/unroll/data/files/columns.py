"""From the columns of a file to the inputs of a window, and their names."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from unroll.data.files import calendar
from unroll.data.files.scale import Scale
from unroll.data.files.series_config import SeriesColumnsConfig
from unroll.data.files.whole_series import Whole
from unroll.data.readers.table import MAX_COLUMNS
from unroll.errors import InputError
from unroll.spec import DataSpec


@dataclass(frozen=True, slots=True)
class Unknown:
    """Names that training lacks: for each column and name how often it comes, and where first."""

    found: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    def add(self, column: str, name: str, count: int, place: str) -> None:
        """Note a name at `count` more rows, of which the first one is at a place."""
        before, first = self.found.get((column, name), (0, place))
        self.found[column, name] = before + count, first

    def notes(self) -> list[str]:
        """A line for each name."""
        return [
            f"column '{column}': training has no '{name}' ({count:,} rows, the first {place}): it is read as "
            "none of the categories"
            for (column, name), (count, place) in self.found.items()
        ]


@dataclass(frozen=True, slots=True)
class Columns:
    """How the columns of a file become the inputs of a window, a row for each step.

    A column of numbers is an input, one of names an input for each category of training, which is 1 in its
    rows and 0 elsewhere. Of a known column, `horizon` more inputs follow: what it is 1, 2 … steps later. The
    calendar comes last.

    Attributes:
        columns: the columns of the file, in the order of the inputs: targets, features, known, static.
        known: those that are known ahead.
        categories: the categories of each column that holds names.
        cycles: those of the calendar that are read.
        horizon: how many steps ahead known columns are read.
    """

    columns: tuple[str, ...]
    known: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    cycles: tuple[str, ...]
    horizon: int

    @classmethod
    def of_names(cls, names: Sequence[str], config: SeriesColumnsConfig, horizon: int) -> "Columns":
        """The columns whose inputs have these names.

        Raises:
            InputError: there are none. A checkpoint may be forged.
        """
        rest = list(names)
        known, categories = config.columns("known"), {}
        for column in config.inputs():
            several = 1 + horizon * (column in known)
            if rest[:1] == [column]:
                del rest[:several]
                continue
            found = []
            while rest and rest[0].startswith(f"{column}="):
                found.append(rest[0].removeprefix(f"{column}="))
                del rest[:several]
            categories[column] = tuple(found)
        cycles = tuple(name for name in calendar.CYCLES if f"{name} sin" in rest)
        columns = cls(config.inputs(), known, categories, cycles, horizon)
        if columns.input_names != tuple(names):
            raise InputError(
                f"data: the columns of the run's config do not make its inputs, {', '.join(names)}"
            )
        return columns

    def parts(self, column: str) -> tuple[str, ...]:
        """The inputs that a column of the file gives."""
        if column not in self.categories:
            return (column,)
        return tuple(f"{column}={category}" for category in self.categories[column])

    @property
    def _parts(self) -> list[tuple[str, bool, bool]]:
        """The inputs without later values: their names, whether they are scaled, and known ahead."""
        read = [
            (part, column not in self.categories, column in self.known)
            for column in self.columns
            for part in self.parts(column)
        ]
        return read + [(name, False, False) for name in calendar.column_names(self.cycles)]

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs without later values."""
        return tuple(name for name, _, _ in self._parts)

    @property
    def input_names(self) -> tuple[str, ...]:
        """All inputs."""
        return tuple(
            name if later == 0 else f"{name}+{later}"
            for name, _, known in self._parts
            for later in range(1 + self.horizon * known)
        )

    @property
    def scaled(self) -> np.ndarray:
        """Which of `names` are scaled: 0 and 1, sines and cosines are not."""
        return np.array([scaled for _, scaled, _ in self._parts])

    @property
    def ahead(self) -> range:
        """The numbers of those `names` that are known ahead."""
        numbers = [number for number, (_, _, known) in enumerate(self._parts) if known]
        return range(numbers[0], numbers[-1] + 1) if numbers else range(0)

    def require_distinct(self, place: str) -> None:
        """Raise an `InputError` that begins with a place if inputs share a name, or there are too many."""
        seen: set[str] = set()
        for name in self.input_names:
            if name in seen:
                raise InputError(
                    f"{place}: two inputs would be called '{name}'; rename the column of that name"
                )
            seen.add(name)
        for column in self.categories:
            for other in self.columns:
                if other.startswith(f"{column}="):
                    raise InputError(
                        f"{place}: column '{other}' is called as a category of '{column}'; rename one of them"
                    )
        if len(seen) > MAX_COLUMNS:
            raise InputError(
                f"{place}: data.known and categories make {len(seen):,} inputs, and at most "
                f"{MAX_COLUMNS:,} are read; take a smaller data.horizon, or fewer columns"
            )

    @property
    def sources(self) -> np.ndarray:
        """For each of all inputs the number of that of `names` that it is a value of."""
        return np.repeat(
            np.arange(len(self.names)), [1 + self.horizon * known for _, _, known in self._parts]
        )

    def scale(self, training: Sequence[np.ndarray]) -> Scale:
        """The scale of `names`, from their values (steps, names) in training."""
        scaled = self.scaled
        if scaled.all():
            return Scale.of(training)
        return Scale.of([np.ascontiguousarray(values[:, scaled]) for values in training]).among(scaled)

    def spec_of_names(self, spec: DataSpec) -> DataSpec:
        """The spec of data whose inputs would be the `names` alone."""
        first = np.unique(self.sources, return_index=True)[1].tolist() if spec.input_mean else []
        return dataclasses.replace(
            spec,
            input_size=len(self.names),
            input_names=self.names,
            input_mean=tuple(spec.input_mean[number] for number in first),
            input_std=tuple(spec.input_std[number] for number in first),
        )

    def values(self, whole: Whole, unknown: Unknown) -> np.ndarray:
        """The values of `names` at all steps of a series; what training lacks is noted in `unknown`."""
        parts = []
        for number, column in enumerate(self.columns):
            found = whole.values[:, number]
            if column in self.categories:
                found = self._category(whole, column, found, unknown)[:, None] == np.arange(
                    len(self.categories[column])
                )
            parts.append(found.reshape(len(found), -1))
        if self.cycles:
            assert whole.times is not None
            parts.append(calendar.columns(self.cycles, whole.times))
        # The order of the memory is that of older versions: it decides how sums are rounded.
        return np.ascontiguousarray(np.concatenate(parts, axis=1, dtype=np.float64))

    def _category(self, whole: Whole, column: str, codes: np.ndarray, unknown: Unknown) -> np.ndarray:
        """The number of the category at each step, -1 where training has no such name."""
        known = {name: number for number, name in enumerate(self.categories[column])}
        names = whole.names[column]
        given = ~np.isnan(codes)
        numbers = np.full(len(codes), -1)
        numbers[given] = np.array([known.get(name, -1) for name in names])[codes[given].astype(int)]
        for code in np.unique(codes[given & (numbers < 0)]):
            steps = np.flatnonzero(codes == code)
            unknown.add(column, names[int(code)], len(steps), whole.place(int(steps[0])))
        return numbers
