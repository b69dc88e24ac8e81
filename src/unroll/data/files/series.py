"""Time series of the user's own, a row for each time step."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.files.anchors import choose_anchor
from unroll.data.files.scale import Scale, naive_error, own_naive_errors
from unroll.data.files.splitting import split_sizes
from unroll.data.files.windows import Form, Stretch, Windows, series_name
from unroll.data.module import SequenceDataModule
from unroll.data.prediction.apart import read_apart
from unroll.data.prediction.inputs import PredictionInputs
from unroll.data.prediction.refused import Refused
from unroll.data.readers.files_config import FilesConfig
from unroll.data.readers.grouping import group_rows
from unroll.data.readers.narrowing import narrow_inputs
from unroll.data.readers.table import Table
from unroll.data.readers.table_file import read_table
from unroll.data.readers.times import carry_on
from unroll.data.samples import Samples, Steps
from unroll.errors import InputError
from unroll.spec import MOST_TARGET_STEPS, Alignment, DataSpec, ForecastScaling, Kind, Signature


class SeriesTask(Enum):
    """What the target of a window of T steps is. O of its I features are to be forecast.

    forecast: the next `horizon` values, step by step (horizon · O,). one_ahead: at each step the next value
    (T, O). seq2seq: the next `horizon` values as a sequence (horizon, O).
    """

    forecast = "forecast"
    one_ahead = "one_ahead"
    seq2seq = "seq2seq"


class MissingValue(Enum):
    """What a missing value is: an error, or the previous value of its series."""

    error = "error"
    previous = "previous"


@register("data", "series")
@dataclass(kw_only=True, slots=True)
class SeriesConfig(FilesConfig):
    """Config of time series in files.

    A window belongs to the part of its series, to train, validate or test on, that all its targets lie in;
    what it reads may lie in the part before. (Given as files, `valid` and `test` are each whole, and windows
    lie within.)

    Attributes:
        task: what the target is; the next `horizon` values at once (forecast) or one by one (seq2seq), or at
            each step the next value (one_ahead)
        target: a column to forecast, or several as [a, b]; their own past is always among the inputs
        features: further columns to forecast it from
        time: a column of numbers or dates that increase
        id: a column that tells several series apart
        window: steps to read
        horizon: steps to forecast
        stride: steps from one window to the next
        season: the naive forecast repeats the value of so many steps ago
        scaling: what a forecast is measured from; training is the mean of the training part, last is the
            last value of the window, and others are in units of the window's deviation: window from the last
            value, season from the values of one season before; auto is season where these forecast the
            training part much better than the last value, otherwise last, or of several series window
        missing: what a missing value is; an error, or the same as the previous one of its series
        valid_fraction: share of each series' steps to validate on, before those to test on
        test_fraction: share of each series' steps to test on, the last ones
    """

    name: str = "series"
    task: SeriesTask = SeriesTask.forecast
    target: Any = None
    features: Any = None
    time: str | None = None
    id: str | None = None
    window: int = 48
    horizon: int = 12
    stride: int = 1
    season: int = 1
    scaling: ForecastScaling = ForecastScaling.training
    missing: MissingValue = MissingValue.error

    def __post_init__(self) -> None:
        FilesConfig.__post_init__(self)
        for key in ("window", "horizon", "stride", "season"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        require(self, "horizon", self.horizon <= MOST_TARGET_STEPS, f"{MOST_TARGET_STEPS:,} or less")
        require(self, "season", self.season <= self.window, f"at most window={self.window}")
        one_ahead = self.task is SeriesTask.one_ahead
        if self.scaling is ForecastScaling.season:
            fits = 1 < self.season < self.window and not one_ahead
            require(
                self, "scaling", fits, "another, unless 1 < season < window and targets are not one_ahead"
            )
        require(self, "horizon", not one_ahead or self.horizon == 1, "1 with task=one_ahead")
        self.require_columns("id", "time", "target")
        self.require_columns("id", "time", "features")

    def signature(self) -> Signature:
        alignment = {
            SeriesTask.forecast: Alignment.SEQUENCE,
            SeriesTask.one_ahead: Alignment.STEP,
            SeriesTask.seq2seq: Alignment.UNALIGNED,
        }[self.task]
        return Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, alignment)

    def require_ready(self) -> None:
        FilesConfig.require_ready(self)
        if self.target is None:
            raise InputError("data.target: not given; name the column to forecast, as data.target=COLUMN")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A series: its name, its rows in a table, and its values (time, features) as precise as the file.

    `times` are those of its steps, if the file has them.
    """

    name: str
    table: Table
    rows: np.ndarray
    values: np.ndarray
    times: pd.Series | None = None

    def place(self, step: int) -> str:
        """The place of a step's row."""
        return self.table.place(int(self.rows[step]))


@builds(SeriesConfig)
class Series(SequenceDataModule):
    """Each sample is a window (T, I): the targets' columns first, then the features'."""

    config: SeriesConfig

    @property
    def description(self) -> str:
        config = self.config
        steps = "1 step" if config.horizon == 1 else f"{config.horizon} steps"
        names = Path(config.path or config.train or "").name
        return f"{names}: {', '.join(config.columns('target'))}, {steps} ahead from {config.window}"

    @property
    def overlap(self) -> int:
        form = self._form()
        return max(1, form.count // form.stride)

    def named_steps(self, split: str, index: int) -> Steps | None:
        windows = self.splits[split].samples
        assert isinstance(windows, Windows)
        return windows.steps(index)

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        config.require_ready()
        self.carried = 0
        parts: list[tuple[dict[str, int], _Whole]] = []
        for key, path in config.files().items():
            table = read_table(path)
            for name, rows, values, times in self._read(table):
                place = table.place(int(rows[0]))
                ends = {key: len(values)}
                if key == "path":
                    sizes = split_sizes(len(values), config, f"steps of {series_name(name)} ({place})")
                    ends = dict(zip(sizes, np.cumsum(list(sizes.values())).tolist(), strict=True))
                parts.append((ends, _Whole(name, table, rows, values, times)))
        known = [whole.values[: ends["train"]] for ends, whole in parts if "train" in ends]
        scale = Scale.of(known)
        changes = self._naive_errors(parts)
        stretches: dict[str, list[Stretch]] = {"train": [], "valid": [], "test": []}
        for ends, whole in parts:
            start, inputs = 0, scale.narrow(whole.values, scale.centered, self._input_names, whole.place)
            for split, end in ends.items():
                place, own = whole.place(0), changes.get(whole.name, ())
                stretches[split].append(Stretch(whole.name, place, inputs, start, end, whole.times, own))
                start = end
        form = self._form()
        splits = {}
        for split, within in stretches.items():
            windows = Windows(form, within, split)
            splits[split] = Samples(windows, [config.window] * len(windows))
        return self._spec(known, scale), splits

    def series_names(self, split: str) -> list[str]:
        windows = self.splits[split].samples
        assert isinstance(windows, Windows)
        return windows.names

    def _naive_errors(self, parts: list[tuple[dict[str, int], _Whole]]) -> dict[str, tuple[float, ...]]:
        """The naive error of each series, by its name: its own; of one that training lacks, that of all."""
        targets = len(self.config.columns("target"))
        trained: dict[str, list[np.ndarray]] = {whole.name: [] for _, whole in parts}
        for ends, whole in parts:
            trained[whole.name] += [whole.values[: ends["train"], :targets]] if "train" in ends else []
        every = [values for known in trained.values() for values in known]
        season = self.config.season
        return {name: own_naive_errors(known or every, season) for name, known in trained.items()}

    def read_inputs(
        self, path: Path, spec: DataSpec, *, unknown: bool = False, refused: Refused | None = None
    ) -> PredictionInputs:
        ordered = self.config.time is not None
        read = partial(self._inputs, spec=spec)
        return read_apart(path, read, refused, id_column=self.config.id, ordered=ordered)

    def _inputs(self, table: Table, spec: DataSpec) -> PredictionInputs:
        """The last window of each series of a table."""
        config = self.config
        names: list[str] = []
        samples: list[Sample] = []
        steps: list[list[str]] = []
        for name, rows, values, times in self._read(table):
            if len(values) < config.window:
                raise InputError(
                    f"{table.place(int(rows[-1]))}: {series_name(name)} ends after {len(values)} steps; "
                    f"the model reads data.window={config.window}"
                )
            names.append(name)
            whole = _Whole(name, table, rows[-config.window :], values[-config.window :])
            samples.append(Sample(len(samples), narrow_inputs(whole.values, spec, whole.place)))
            numbered = [str(step) for step in range(1, config.horizon + 1)]
            steps.append(numbered if times is None else carry_on(times, config.horizon))
        return PredictionInputs(
            samples=samples,
            columns={} if config.id is None else {config.id: names},
            step_name=config.time or "step",
            steps=steps,
            ahead=config.horizon,
        )

    @property
    def _input_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.config.columns("target"), *self.config.columns("features"))))

    def _read(self, table: Table) -> Iterator[tuple[str, np.ndarray, np.ndarray, pd.Series | None]]:
        """The series of a table: name, rows, values (time, features), and times if there are any."""
        config = self.config
        for key in ("id", "time", "target", "features"):
            table.require(key, config.columns(key))
        groups, times = group_rows(table, config.id, config.time)
        names = self._input_names
        fix = "write a number there, or set data.missing=previous to repeat the one before"
        missing = fix if config.missing is MissingValue.error else None
        columns = np.stack([table.numbers(name, missing=missing) for name in names], axis=1)
        for name, rows in groups.items():
            values = pd.DataFrame(columns[rows])
            absent = values.isna().to_numpy()
            self.carried += int(absent.sum())
            if absent[0].any():
                place, column = table.place(int(rows[0])), names[absent[0].argmax()]
                raise InputError(
                    f"{place}: column '{column}' of {series_name(name)} begins with a missing value, "
                    "and there is none before it to repeat; leave out its first rows"
                )
            yield name, rows, values.ffill().to_numpy(), None if times is None else times.iloc[rows]

    def _form(self) -> Form:
        config = self.config
        one_ahead = config.task is SeriesTask.one_ahead
        return Form(
            steps=config.window,
            first=1 if one_ahead else config.window,
            count=config.window if one_ahead else config.horizon,
            targets=len(config.columns("target")),
            stride=config.stride,
            flat=config.task is SeriesTask.forecast,
        )

    def _spec(self, known: list[np.ndarray], scale: Scale) -> DataSpec:
        """The spec of the data, from the values (time, features) of each series in training."""
        config = self.config
        names, targets = self._input_names, config.columns("target")
        forecast = config.task is SeriesTask.forecast
        ahead = tuple(f"{name}+{step}" for step in range(1, config.horizon + 1) for name in targets)
        forecasted = [values[:, : len(targets)] for values in known]
        seasonal = config.task is not SeriesTask.one_ahead and 1 < config.season < config.window
        season = config.season if seasonal else None
        anchor = choose_anchor(forecasted, config.scaling, season, config.horizon, scale.std[: len(targets)])
        return DataSpec(
            signature=config.signature(),
            input_size=len(names),
            target_size=len(targets) * (config.horizon if forecast else 1),
            length=config.window,
            max_target_length=config.horizon,
            input_names=names,
            target_names=ahead if forecast else targets,
            **scale.spec_values("input"),
            **scale.spec_values("target", len(targets)),
            centered=scale.centered,
            target_inputs=tuple(range(len(targets))),
            horizon=config.horizon,
            season=config.season,
            scaling=anchor.scaling,
            least_error=anchor.error,
            lowest=anchor.lowest,
            highest=anchor.highest,
            naive_error=naive_error(forecasted, config.season),
        )
