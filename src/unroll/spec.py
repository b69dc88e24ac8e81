"""What is known of a data set before a model is built: the kind and size of its inputs and targets."""

import dataclasses
import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args, get_type_hints

PAD, START, END, UNKNOWN = range(4)
"""Ids that every vocabulary begins with: padding, start and end of a sequence, and an unseen token."""

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")

IGNORED = -1
"""The class of a step that neither loss nor metrics count, though it is no padding."""

MOST_SIZE = 2**31
MOST_STEPS = 100_000
"""Of a target. A model that never writes END goes on for half as many more."""


class Kind(Enum):
    """What an input or a target is made of.

    Tokens, continuous values, one of several classes, or several labels of which each may hold or not. A
    CONTEXT is a single vector, kept as a sequence of one step.
    """

    TOKENS = "tokens"
    CONTINUOUS = "continuous"
    CLASSES = "classes"
    LABELS = "labels"
    CONTEXT = "context"


class Alignment(Enum):
    """How targets lie along the time axis of the inputs."""

    SEQUENCE = "one per sequence"
    STEP = "one per step"
    UNALIGNED = "unaligned"


@dataclass(frozen=True, slots=True)
class Signature:
    """What flows in and out: enough to say whether a model and a data set fit."""

    inputs: Kind
    targets: Kind
    alignment: Alignment

    def __str__(self) -> str:
        return f"{self.inputs.value} → {self.targets.value}, {self.alignment.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Everything a model may know of its data. Plain data: it is kept in every checkpoint.

    Attributes:
        signature: the kinds of inputs and targets, and how they are aligned.
        input_size: the number of features, or the size of the vocabulary with its four special tokens.
        target_size: the same of the targets; or the number of classes, labels or values.
        length: the number of steps of every sequence; 0 where they differ.
        max_target_length: of the longest target of the training data, END included.
        input_vocabulary: the tokens of the inputs, by id.
        target_vocabulary: the tokens of the targets by id, or the names of classes or labels.
        letters: the characters that tokens are spelt with, by id; batches then carry `characters`.
        characters, lowercase: how text is cut into input tokens.
        target_characters: whether target tokens are characters, to be written without spaces.
        input_names, target_names: the names of features and of target values.
        input_mean, input_std, target_mean, target_std: of the training data, for a model to scale by; empty
            where values are to be taken as they are.
        target_inputs: the input features whose next values the targets are: what a naive forecast repeats.
            Empty where the targets are no forecast of an input.
        horizon: how many steps ahead the values of one forecast reach. One forecast per sequence holds
            `horizon` times the number of forecast features, step by step.
        season: a naive forecast repeats the value of this many steps ago.
        naive_error: the mean absolute error of that forecast, one step ahead, in the training data, of each
            forecast feature (the scale of MASE).
        error_names: the names of the error rate per target token and per whole sequence.
    """

    signature: Signature
    input_size: int
    target_size: int
    length: int = 0
    max_target_length: int = 1
    input_vocabulary: tuple[str, ...] = ()
    target_vocabulary: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()
    characters: bool = False
    lowercase: bool = False
    target_characters: bool = False
    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    input_mean: tuple[float, ...] = ()
    input_std: tuple[float, ...] = ()
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    target_inputs: tuple[int, ...] = ()
    horizon: int = 1
    season: int = 1
    naive_error: tuple[float, ...] = ()
    error_names: tuple[str, str] = ("token_error_rate", "sequence_error_rate")

    def to_dict(self) -> dict[str, Any]:
        """Dicts, lists, strings and numbers only, so that `torch.load(weights_only=True)` reads it."""
        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        }
        signature = self.signature
        values["signature"] = [signature.inputs.value, signature.targets.value, signature.alignment.value]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DataSpec":
        """The inverse of `to_dict`.

        Raises:
            ValueError: a value that no data set has. It may come from a file that somebody made up.
        """
        inputs, targets, alignment = values["signature"]
        hints = get_type_hints(cls)
        rest = {
            name: _checked(name, value, hints[name]) for name, value in values.items() if name != "signature"
        }
        spec = cls(signature=Signature(Kind(inputs), Kind(targets), Alignment(alignment)), **rest)
        spec._require_consistent()
        return spec

    def _require_consistent(self) -> None:
        kinds = self.signature
        _require_names("input_vocabulary", kinds.inputs, self.input_vocabulary, self.input_size)
        _require_names("target_vocabulary", kinds.targets, self.target_vocabulary, self.target_size)
        if self.letters:
            _require_names("letters", Kind.TOKENS, self.letters, len(self.letters))
        for name in ("input_size", "target_size", "max_target_length", "horizon", "season"):
            _require(getattr(self, name) >= 1, f"{name}={getattr(self, name)}: is less than 1")
        longest = self.max_target_length
        _require(longest <= MOST_STEPS, f"max_target_length={longest}: is more than {MOST_STEPS}")
        for which, mean, std, size in (
            ("input", self.input_mean, self.input_std, self.input_size),
            ("target", self.target_mean, self.target_std, self.target_size),
        ):
            fits = len(mean) == len(std) and size % max(1, len(mean)) == 0 and all(value > 0 for value in std)
            _require(fits, f"{which}_mean and {which}_std: do not fit {which}_size={size}")
        within = all(index < self.input_size for index in self.target_inputs)
        _require(within, f"target_inputs={self.target_inputs}: beyond input_size={self.input_size}")
        _require(len(self.error_names) == 2, f"error_names={self.error_names}: are not two")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _require_names(key: str, kind: Kind, names: tuple[str, ...], size: int) -> None:
    if kind in (Kind.TOKENS, Kind.CLASSES, Kind.LABELS):
        _require(len(names) == size, f"{key}: holds {len(names)} names for a size of {size}")
    # A lone half of a pair, as JSON can hold, could be written nowhere.
    _require(not any(re.search("[\ud800-\udfff]", name) for name in names), f"{key}: holds what is no text")
    if kind is Kind.TOKENS:
        _require(
            names[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS, f"{key}: does not begin with {SPECIAL_TOKENS}"
        )
        _require(len(set(names)) == size, f"{key}: holds a token twice")


def _checked(name: str, value: Any, hint: Any) -> Any:
    """A value of the type that a field is to have; of a tuple, plain data is a list."""
    if get_args(hint):
        kind = get_args(hint)[0]
        if not isinstance(value, list):
            raise ValueError(f"{name}: is a {type(value).__name__}, not a list")
        return tuple(_checked(name, each, kind) for each in value)
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if type(value) is not hint or (hint is int and not 0 <= value < MOST_SIZE):
        raise ValueError(f"{name}={value!r:.40}: is no value that a data set has")
    return value
