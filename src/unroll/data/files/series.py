"""Time series of the user's own, a row for each time step."""

import dataclasses
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

import numpy as np

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.files.anchors import choose_anchor
from unroll.data.files.columns import Columns, Unknown
from unroll.data.files.scale import Scale, naive_error, own_naive_errors
from unroll.data.files.series_config import SeriesColumnsConfig
from unroll.data.files.spans import series_name
from unroll.data.files.splitting import split_sizes
from unroll.data.files.training_columns import columns_of_training
from unroll.data.files.whole_series import SeriesReader, Whole
from unroll.data.files.windows import Form, Stretch, Windows
from unroll.data.module import SequenceDataModule
from unroll.data.prediction.apart import read_apart
from unroll.data.prediction.inputs import PredictionInputs
from unroll.data.prediction.refused import Refused
from unroll.data.readers.narrowing import narrow_inputs
from unroll.data.readers.steps import Step
from unroll.data.readers.table import Table
from unroll.data.readers.table_file import read_table
from unroll.data.readers.times import as_text, carry_on
from unroll.data.samples import Samples, Steps
from unroll.spec import MOST_TARGET_STEPS, Alignment, DataSpec, ForecastScaling, Kind, Signature

ORIGINS = {
    ForecastScaling.last: "the last value",
    ForecastScaling.window: "the last value, in units of their window",
    ForecastScaling.season: "the values of the last season",
}
"""What forecasts are measured from, in words."""

MOST_NAMED = 5
"""How many series a note names."""


class SeriesTask(Enum):
    """What the target of a window of T steps is. O of its I features are to be forecast.

    forecast: the next `horizon` values, step by step (horizon · O,). one_ahead: at each step the next value
    (T, O). seq2seq: the next `horizon` values as a sequence (horizon, O).
    """

    forecast = "forecast"
    one_ahead = "one_ahead"
    seq2seq = "seq2seq"


@register("data", "series")
@dataclass(kw_only=True, slots=True)
class SeriesConfig(SeriesColumnsConfig):
    """Config of time series in files.

    A window belongs to the part of its series, to train, validate or test on, that all its targets lie in;
    what it reads may lie in the part before. (Given as files, `valid` and `test` are each whole, and windows
    lie within.)

    Attributes:
        task: what the target is; the next `horizon` values at once (forecast) or one by one (seq2seq), or at
            each step the next value (one_ahead)
        window: steps to read
        horizon: steps to forecast
        stride: steps from one window to the next
        season: the naive forecast repeats the value of so many steps ago; null is by the step of `time`, a
            day of hours or minutes, a week of days, a year of weeks, months or quarters, and 1 where that is
            longer than the window, or there is no step
        scaling: what a forecast is measured from; training is the mean of the training part, last is the
            last value of the window, and others are in units of the window's deviation: window from the last
            value, season from the values of one season before; auto is window with columns that are known,
            otherwise season where it forecasts the training part much better than the last value, otherwise
            last, or of several series window
        valid_fraction: share of each series' steps to validate on, before those to test on
        test_fraction: share of each series' steps to test on, the last ones
    """

    name: str = "series"
    task: SeriesTask = SeriesTask.forecast
    window: int = 48
    horizon: int = 12
    stride: int = 1
    season: int | None = 1
    scaling: ForecastScaling = ForecastScaling.training

    def __post_init__(self) -> None:
        SeriesColumnsConfig.__post_init__(self)
        for key in ("window", "horizon", "stride"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        require(self, "horizon", self.horizon <= MOST_TARGET_STEPS, f"{MOST_TARGET_STEPS:,} or less")
        require(self, "season", self.season is None or self.season >= 1, "1 or more, or null")
        require(self, "season", (self.season or 1) <= self.window, f"at most window={self.window}")
        one_ahead = self.task is SeriesTask.one_ahead
        if self.scaling is ForecastScaling.season:
            fits = (self.season is None or 1 < self.season < self.window) and not one_ahead
            require(
                self, "scaling", fits, "another, unless 1 < season < window and targets are not one_ahead"
            )
        require(self, "horizon", not one_ahead or self.horizon == 1, "1 with task=one_ahead")

    def signature(self) -> Signature:
        alignment = {
            SeriesTask.forecast: Alignment.SEQUENCE,
            SeriesTask.one_ahead: Alignment.STEP,
            SeriesTask.seq2seq: Alignment.UNALIGNED,
        }[self.task]
        return Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, alignment)


@builds(SeriesConfig)
class Series(SequenceDataModule):
    """Each sample is a window (T, I): the targets' columns first, then the features' and the others'."""

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
        reader = SeriesReader(config)
        parts: list[tuple[dict[str, int], Whole]] = []
        for key, path in config.files().items():
            for whole in reader.read(read_table(path)):
                ends = {key: whole.end}
                if key == "path":
                    what = f"steps of {series_name(whole.name)} ({whole.place(0)})"
                    sizes = split_sizes(whole.end, config, what)
                    ends = dict(zip(sizes, np.cumsum(list(sizes.values())).tolist(), strict=True))
                parts.append((ends, whole))
        training = [(whole, ends["train"]) for ends, whole in parts if "train" in ends]
        columns, short = columns_of_training(config, training, reader.step, config.horizon)
        unknown = Unknown()
        values = [columns.values(whole, unknown) for _, whole in parts]
        known = [
            each[: ends["train"]] for each, (ends, _) in zip(values, parts, strict=True) if "train" in ends
        ]
        scale = columns.scale(known)
        season, why = self._season(reader.step)
        changes = self._naive_errors(parts, values, season)
        stretches: dict[str, list[Stretch]] = {"train": [], "valid": [], "test": []}
        for each, (ends, whole) in zip(values, parts, strict=True):
            start, inputs = 0, scale.narrow(each, scale.centered, columns.names, whole.place)
            for split, end in ends.items():
                place, own = whole.place(0), changes.get(whole.name, ())
                stretches[split].append(Stretch(whole.name, place, inputs, start, end, whole.times, own))
                start = end
        form = self._form(columns)
        splits = {}
        for split, within in stretches.items():
            windows = Windows(form, within, split)
            splits[split] = Samples(windows, [config.window] * len(windows))
        self.carried, self.step_name = reader.filled.values, reader.step.name if reader.step else ""
        spec = self._spec(known, scale, columns, season)
        said = self._said(reader.step, why, columns, short)
        if spec.scaling is not ForecastScaling.training:
            said.append(f"forecasts are measured from {ORIGINS[spec.scaling]}, scaling={spec.scaling.value}")
        self.notes = [*said, *reader.notes, *unknown.notes()]
        series = tuple(whole.name for whole, _ in training if whole.name)
        return dataclasses.replace(spec, step=reader.frequency, series=series), splits

    def series_names(self, split: str) -> list[str]:
        windows = self.splits[split].samples
        assert isinstance(windows, Windows)
        return windows.names

    def _naive_errors(
        self, parts: list[tuple[dict[str, int], Whole]], values: list[np.ndarray], season: int
    ) -> dict[str, tuple[float, ...]]:
        """The naive error of each series, by its name: its own; of one that training lacks, that of all."""
        targets = len(self.config.columns("target"))
        trained: dict[str, list[np.ndarray]] = {whole.name: [] for _, whole in parts}
        for each, (ends, whole) in zip(values, parts, strict=True):
            trained[whole.name] += [each[: ends["train"], :targets]] if "train" in ends else []
        every = [each for known in trained.values() for each in known]
        return {name: own_naive_errors(known or every, season) for name, known in trained.items()}

    def read_inputs(
        self, path: Path, spec: DataSpec, *, unknown: bool = False, refused: Refused | None = None
    ) -> PredictionInputs:
        ordered = self.config.time is not None
        read = partial(self._inputs, spec=spec)
        inputs = read_apart(path, read, refused, id_column=self.config.id, ordered=ordered)
        names = inputs.columns.get(self.config.id, []) if self.config.id is not None else []
        return dataclasses.replace(inputs, notes=[*inputs.notes, *_unseen(names, spec)])

    def _inputs(self, table: Table, spec: DataSpec) -> PredictionInputs:
        """The last window of each series of a table."""
        config = self.config
        columns = Columns.of_names(spec.input_names, config, config.horizon)
        form, own = self._form(columns), columns.spec_of_names(spec)
        reader = SeriesReader(
            config,
            names=frozenset(columns.categories),
            frequency=spec.step,
            window=config.window,
            horizon=config.horizon,
        )
        unknown = Unknown()
        names: list[str] = []
        samples: list[Sample] = []
        steps: list[list[str]] = []
        for whole in reader.read(table):
            values = narrow_inputs(columns.values(whole, unknown), own, whole.place)
            names.append(whole.name)
            samples.append(Sample(len(samples), form.inputs(values, 0)))
            steps.append(self._steps_ahead(whole, reader.step))
        return PredictionInputs(
            samples=samples,
            columns={} if config.id is None else {config.id: names},
            step_name=config.time or "step",
            steps=steps,
            ahead=config.horizon,
            notes=[*reader.notes, *unknown.notes()],
        )

    def _steps_ahead(self, whole: Whole, step: Step | None) -> list[str]:
        """What the steps of a forecast are called: by their times, or counted where nobody knows these."""
        numbers = range(1, self.config.horizon + 1)
        if whole.times is None or whole.coming is None:
            return [str(number) for number in numbers]
        if step is not None:
            return carry_on(whole.times.iloc[: whole.end], self.config.horizon, step)
        coming = as_text(whole.coming)[: self.config.horizon]
        return [*coming, *(f"+{number}" for number in numbers[len(coming) :])]

    def _season(self, step: Step | None) -> tuple[int, str]:
        """The season, and what to say of it where it was guessed."""
        config = self.config
        if config.season is not None:
            return config.season, ""
        if step is None:
            return 1, "season 1, as there is no step to guess it from (data.season)"
        if step.season > config.window:
            return (
                1,
                f"season 1, as the usual {step.season:,} steps are more than data.window={config.window}",
            )
        return step.season, f"season {step.season}, by the step (data.season)"

    def _said(self, step: Step | None, season: str, columns: Columns, short: list[str]) -> list[str]:
        """What was found out about the data: their step, the season and the calendar."""
        found = [f"steps are {step.name}"] if step is not None else []
        lines = ["; ".join([*found, *([season] if season else [])])]
        if columns.cycles or short:
            left_out = (
                f"; {', '.join(short)} left out, as training goes through less than two rounds of it"
                if short
                else ""
            )
            lines.append(f"calendar: {', '.join(columns.cycles) or 'nothing'}{left_out}")
        for column, categories in columns.categories.items():
            lines.append(f"column '{column}' has {len(categories)} categories")
        return [line for line in lines if line]

    def _form(self, columns: Columns | None = None) -> Form:
        config = self.config
        one_ahead = config.task is SeriesTask.one_ahead
        return Form(
            steps=config.window,
            first=1 if one_ahead else config.window,
            count=config.window if one_ahead else config.horizon,
            targets=len(config.columns("target")),
            stride=config.stride,
            flat=config.task is SeriesTask.forecast,
            ahead=columns.ahead if columns else range(0),
            later=config.horizon,
        )

    def _spec(self, known: list[np.ndarray], scale: Scale, columns: Columns, season: int) -> DataSpec:
        """The spec of the data, from the values (time, features) of each series in training."""
        config = self.config
        names, targets = columns.input_names, config.columns("target")
        forecast = config.task is SeriesTask.forecast
        ahead = tuple(f"{name}+{step}" for step in range(1, config.horizon + 1) for name in targets)
        forecasted = [values[:, : len(targets)] for values in known]
        seasonal = config.task is not SeriesTask.one_ahead and 1 < season < config.window
        anchor = choose_anchor(
            *(forecasted, config.scaling, season if seasonal else None, config.horizon),
            scale.std[: len(targets)],
            planned=bool(config.columns("known")),
        )
        return DataSpec(
            signature=config.signature(),
            input_size=len(names),
            target_size=len(targets) * (config.horizon if forecast else 1),
            length=config.window,
            max_target_length=config.horizon,
            input_names=names,
            target_names=ahead if forecast else targets,
            **scale.take(columns.sources).spec_values("input"),
            **scale.spec_values("target", len(targets)),
            centered=scale.centered,
            target_inputs=tuple(range(len(targets))),
            horizon=config.horizon,
            season=season,
            scaling=anchor.scaling,
            least_error=anchor.error,
            lowest=anchor.lowest,
            highest=anchor.highest,
            naive_error=naive_error(forecasted, season),
        )


def _unseen(names: list[str], spec: DataSpec) -> list[str]:
    """What to say of series that training has not seen, if there are any and it is known which it has."""
    seen = set(spec.series)
    others = [name for name in names if seen and name not in seen]
    if not others:
        return []
    shown = ", ".join(f"'{name}'" for name in others[:MOST_NAMED]) + (
        " …" if len(others) > MOST_NAMED else ""
    )
    return [
        f"training has not seen {len(others):,} of the {len(names):,} series ({shown}): each is forecast "
        "from its window"
    ]
