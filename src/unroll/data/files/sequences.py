"""Sequences of the user's own, a row for each time step, with labels or values to learn."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.files.class_names import ClassNames
from unroll.data.files.scale import Scale, naive_error
from unroll.data.files.sequence_table import SequenceTable
from unroll.data.files.splitting import split_randomly
from unroll.data.module import SequenceDataModule
from unroll.data.prediction.apart import read_apart
from unroll.data.prediction.inputs import PredictionInputs
from unroll.data.prediction.refused import Refused
from unroll.data.readers.files_config import FilesConfig
from unroll.data.readers.narrowing import narrow_inputs
from unroll.data.readers.table import Table
from unroll.data.readers.table_file import read_table
from unroll.data.samples import Samples, common_length
from unroll.errors import InputError
from unroll.spec import Alignment, DataSpec, Kind, Signature


class SequencesTask(Enum):
    """What the target of a sequence (T, I) is.

    label: one class (). value: the numbers of O columns (O,). labels: O columns of 0 and 1 (O,).
    step_label: a class for each step (T,). next: at each step but the last the features of the next step
    (T - 1, I). next_labels: the same for features that are 0 or 1.
    """

    label = "label"
    value = "value"
    labels = "labels"
    step_label = "step_label"
    next = "next"
    next_labels = "next_labels"

    @property
    def is_next(self) -> bool:
        """Whether the targets are the features of the next step."""
        return self in (SequencesTask.next, SequencesTask.next_labels)


@register("data", "sequences")
@dataclass(kw_only=True, slots=True)
class SequencesConfig(FilesConfig):
    """Config of labelled sequences in files, a row for each step.

    Attributes:
        task: what is learned; a label, a value or several labels of each sequence, the label of each step
            (step_label), the features of the next step (next), or which of them, 0 or 1, it has (next_labels)
        id: the column that tells sequences apart
        step: a column of numbers or dates that increase within each; null is the order of the rows
        target: a column to learn, or several as [a, b]; those of a whole sequence stand on each of its rows,
            and next and next_labels have none
        features: the columns to learn from; null is all others
        max_length: the longest sequence, in steps; a longer one is an error, null is no limit
        valid_fraction: share of the sequences of `path` to validate on
        test_fraction: share of the sequences of `path` to test on
        split_seed: seed of the split of `path`
    """

    name: str = "sequences"
    task: SequencesTask = SequencesTask.label
    id: str = "id"
    step: str | None = None
    target: Any = None
    features: Any = None
    max_length: int | None = None
    split_seed: int = 1

    def __post_init__(self) -> None:
        FilesConfig.__post_init__(self)
        require(self, "max_length", self.max_length is None or self.max_length >= 1, "1 or more, or null")
        require(self, "split_seed", self.split_seed >= 0, "0 or more")
        self.require_columns("id", "step", "target", "features")
        task = f"with task={self.task.value}"
        if self.task.is_next:
            require(self, "target", self.target is None, f"null {task}: the features are the targets")
        elif self.task in (SequencesTask.label, SequencesTask.step_label):
            require(self, "target", len(self.columns("target")) <= 1, f"one column {task}")

    def signature(self) -> Signature:
        targets, alignment = {
            SequencesTask.label: (Kind.CLASSES, Alignment.SEQUENCE),
            SequencesTask.value: (Kind.CONTINUOUS, Alignment.SEQUENCE),
            SequencesTask.labels: (Kind.LABELS, Alignment.SEQUENCE),
            SequencesTask.step_label: (Kind.CLASSES, Alignment.STEP),
            SequencesTask.next: (Kind.CONTINUOUS, Alignment.STEP),
            SequencesTask.next_labels: (Kind.LABELS, Alignment.STEP),
        }[self.task]
        return Signature(Kind.CONTINUOUS, targets, alignment)

    def require_ready(self) -> None:
        FilesConfig.require_ready(self)
        if self.target is None and not self.task.is_next:
            raise InputError("data.target: not given; name the column to learn, as data.target=COLUMN")


@builds(SequencesConfig)
class Sequences(SequenceDataModule):
    """Each sample is a sequence (T, I) of the features."""

    config: SequencesConfig

    @property
    def description(self) -> str:
        config = self.config
        name = Path(config.path or config.train or "").name
        if config.task.is_next:
            return f"{name}: at each step the next"
        each = "step" if config.task is SequencesTask.step_label else "sequence"
        return f"{name}: {', '.join(config.columns('target'))} of each {each}"

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        config.require_ready()
        parts, features = self._parts()
        train = parts["train"]
        classes = None
        if config.signature().targets is Kind.CLASSES:
            assert train.targets is not None
            rows = np.concatenate(list(train.groups.values()))
            classes = ClassNames.of(train.targets[rows], train.table.place(int(rows[0])))
        spec, narrow = self._spec(train, features, classes)
        splits = {}
        for split, part in parts.items():
            groups = enumerate(part.groups.values())
            splits[split] = Samples(
                [self._sample(part, rows, index, classes, narrow) for index, rows in groups]
            )
        length = common_length(length for samples in splits.values() for length in samples.lengths)
        return dataclasses.replace(spec, length=length), splits

    def read_inputs(
        self, path: Path, spec: DataSpec, *, unknown: bool = False, refused: Refused | None = None
    ) -> PredictionInputs:
        ordered = self.config.step is not None
        read = partial(self._inputs, spec=spec)
        return read_apart(path, read, refused, id_column=self.config.id, ordered=ordered)

    def _inputs(self, table: Table, spec: DataSpec) -> PredictionInputs:
        """The sequences of a table, without targets."""
        config = self.config
        sequences = self._read(table, spec.input_names, ())
        steps = None if config.step is None else table.text(config.step)
        groups = sequences.groups.values()
        return PredictionInputs(
            samples=[
                Sample(i, narrow_inputs(sequences.features[rows], spec, sequences.place_in(rows)))
                for i, rows in enumerate(groups)
            ],
            columns={config.id: list(sequences.groups)},
            step_name=config.step or "step",
            steps=[
                [str(number + 1) if steps is None else steps[row] for number, row in enumerate(rows)]
                for rows in groups
            ],
        )

    def _parts(self) -> tuple[dict[str, SequenceTable], tuple[str, ...]]:
        """The sequences of each split, and the columns of features."""
        config = self.config
        parts: dict[str, SequenceTable] = {}
        features: tuple[str, ...] = ()
        for key, path in config.files().items():
            table = read_table(path)
            features = features or self._feature_names(table)
            parts[key] = self._read(table, features, config.columns("target"))
            parts[key].require_lengths(2 if config.task.is_next else 1, None)
        if "path" in parts:
            whole = parts.pop("path")
            ids = list(whole.groups)
            what = f"sequences ({whole.table.path})"
            for split, numbers in split_randomly(len(ids), config, config.split_seed, what).items():
                chosen = {ids[number]: whole.groups[ids[number]] for number in numbers}
                parts[split] = dataclasses.replace(whole, groups=chosen)
        return parts, features

    def _feature_names(self, table: Table) -> tuple[str, ...]:
        config = self.config
        taken = {config.id, config.step, *config.columns("target")}
        others = tuple(name for name in table.names if name not in taken)
        names = config.columns("features") or others
        if not names:
            raise InputError(
                f"{table.path}: has no columns beside {', '.join(table.names)} to learn from; add one"
            )
        return names

    def _read(self, table: Table, features: tuple[str, ...], targets: tuple[str, ...]) -> SequenceTable:
        config = self.config
        sequences = SequenceTable.read(
            table,
            config.signature(),
            id_column=config.id,
            step=config.step,
            features=features,
            targets=targets,
        )
        sequences.require_lengths(1, config.max_length)
        return sequences

    def _sample(
        self,
        part: SequenceTable,
        rows: np.ndarray,
        index: int,
        classes: ClassNames | None,
        narrow: "_Narrowing",
    ) -> Sample:
        place = part.place_in(rows)
        features = narrow.features(part.features[rows], place)
        if part.targets is None:
            return Sample(index, features[:-1], features[1:])
        targets = part.targets[rows]
        if classes is None:
            return Sample(index, features, narrow.targets(targets[:1], place)[0])
        ids = torch.tensor(classes.encode(targets, place))
        return Sample(index, features, ids[0] if self.config.task is SequencesTask.label else ids)

    def _spec(
        self, train: SequenceTable, features: tuple[str, ...], classes: ClassNames | None
    ) -> "tuple[DataSpec, _Narrowing]":
        """The spec of the data without the length of the sequences; and how their values become float32."""
        config = self.config
        names = config.columns("target")
        signature = config.signature()
        more: dict[str, Any]
        groups = list(train.groups.values())
        series = [train.features[rows] for rows in groups]
        scale = Scale.of(series)
        targets = None
        if config.task is SequencesTask.value:
            assert train.targets is not None
            targets = Scale.of([train.targets[[rows[0] for rows in groups]]], ordered=False)
        centered = scale.centered or (targets is not None and targets.centered)
        narrow = _Narrowing(centered, features, names, scale, targets)
        spec = DataSpec(
            signature=signature,
            input_size=len(features),
            target_size=len(names) or len(features),
            input_names=features,
            target_names=names or features,
            **scale.spec_values("input"),
            centered=centered,
        )
        match config.task:
            case SequencesTask.label | SequencesTask.step_label:
                assert classes is not None
                more = {"target_size": len(classes.names), "target_vocabulary": classes.names}
            case SequencesTask.labels:
                more = {"target_vocabulary": names}
            case SequencesTask.next_labels:
                more = {
                    "target_vocabulary": features,
                    "input_mean": (),
                    "input_std": (),
                    "centered": False,
                    "target_inputs": tuple(range(len(features))),
                }
                narrow = dataclasses.replace(narrow, centered=False)
            case SequencesTask.next:
                more = {
                    **scale.spec_values("target"),
                    "target_inputs": tuple(range(len(features))),
                    "naive_error": naive_error(series, season=1),
                }
            case SequencesTask.value:
                assert targets is not None
                more = targets.spec_values("target")
        return dataclasses.replace(spec, **more), narrow


@dataclass(frozen=True, slots=True)
class _Narrowing:
    """How the values of sequences become float32."""

    centered: bool
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    scale: Scale
    target_scale: Scale | None
    """That of targets that are values; others are 0 or 1."""

    def features(self, values: np.ndarray, place: Callable[[int], str]) -> Float[Tensor, "time features"]:
        return self.scale.narrow(values, self.centered, self.feature_names, place)

    def targets(self, values: np.ndarray, place: Callable[[int], str]) -> Float[Tensor, "time targets"]:
        if self.target_scale is None:
            return torch.from_numpy(np.asarray(values, np.float32))
        return self.target_scale.narrow(values, self.centered, self.target_names, place)
