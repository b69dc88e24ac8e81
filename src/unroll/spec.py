"""What a model needs to know about a data set: the kind and size of its inputs and targets."""

import dataclasses
import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, get_args, get_type_hints

PAD, START, END, UNKNOWN = range(4)
"""Ids that every vocabulary begins with: padding, start and end of a sequence, and an unseen token."""

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")

WORD_START = "▁"
"""Begins the first piece of a word that is cut into pieces."""

IGNORED = -1
"""The class of a step that loss and metrics leave out although it is not padding."""

LARGEST_NUMBER = 2**31
"""Integers of a DataSpec are smaller than this."""

MEDIAN = 0.5
"""The level of the quantile that is a forecast itself."""

MOST_TARGET_STEPS = 100_000
"""The longest target. A model that never writes END writes up to one and a half times as many tokens."""


class Kind(Enum):
    """What an input or a target is made of.

    Tokens, continuous values, one of several classes, or several labels that each apply or not. A CONTEXT is
    a single vector, stored as a sequence of one step.
    """

    TOKENS = "tokens"
    CONTINUOUS = "continuous"
    CLASSES = "classes"
    LABELS = "labels"
    CONTEXT = "context"


class Tokenizer(Enum):
    """How text is cut into tokens.

    spaces: what stands between spaces. words: words, with punctuation apart. pieces: parts of those words,
    which they share.
    """

    spaces = "spaces"
    words = "words"
    pieces = "pieces"


class ForecastScaling(Enum):
    """What the values that are forecast are measured from, beyond the scale of the training part.

    training: nothing. last: the last known value. Others are in units of each window's own deviation. window:
    the last known value. season: the values of one season before. auto: window where columns are known
    ahead; otherwise season where it forecasts the training part much better than the last value; otherwise
    last, or of several series window.
    """

    auto = "auto"
    training = "training"
    last = "last"
    window = "window"
    season = "season"


class Alignment(Enum):
    """How targets lie along the time axis of the inputs."""

    SEQUENCE = "one per sequence"
    STEP = "one per step"
    UNALIGNED = "unaligned"


@dataclass(frozen=True, slots=True)
class Signature:
    """The kinds of inputs and targets and their alignment: it decides whether a model and a data set fit."""

    inputs: Kind
    targets: Kind
    alignment: Alignment

    def __str__(self) -> str:
        return f"{self.inputs.value} → {self.targets.value}, {self.alignment.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Everything a model may know about its data. Plain data: every checkpoint holds it.

    Attributes:
        signature: the kinds of inputs and targets, and how they are aligned.
        input_size: the number of features, or the size of the vocabulary with its four special tokens.
        target_size: the size of the target vocabulary, or the number of classes, labels or values.
        length: the number of steps of every sequence; 0 if lengths differ.
        max_target_length: the steps of the longest target in the training data, END included.
        input_vocabulary: the tokens of the inputs, by id.
        target_vocabulary: the tokens of the targets by id, or the names of classes or labels.
        letters: the characters that tokens are spelt with, by id; batches then hold `characters`.
        tokenizer, characters, lowercase: how text is cut into input tokens; `characters` are each a token.
        merges: what makes the pieces of a word: pairs of pieces to join, "left right", the first ones first.
        target_characters: whether target tokens are characters, which are joined without spaces.
        target_pieces, target_merges: whether target tokens are pieces of words, and what makes them.
        input_names, target_names: the names of features and of target values.
        input_mean, input_std, target_mean, target_std: mean and standard deviation of the training data, by
            which a model scales; empty if values are not scaled.
        centered: whether the means are subtracted before the values become float32, which would lose too much
            of values so far from zero. Inputs and targets are then differences from the means.
        target_inputs: the input features that the targets forecast; a naive forecast repeats them. Empty if
            the targets are not a forecast of an input.
        horizon: how many steps ahead the values of one forecast reach. One forecast per sequence holds
            `horizon` times the number of forecast features, step by step.
        season: a naive forecast repeats the value of this many steps ago.
        naive_error: the mean absolute error of the naive forecast, one step ahead, in the training data, for
            each forecast feature (the scale of MASE).
        scaling: what the values that are forecast are measured from.
        least_error: for each forecast feature, how far off (root mean square) that naive forecast is in the
            training data, in the series where it is least.
        lowest, highest: the range of each forecast feature in the training data.
        error_names: the names of the error rate per target token and per whole sequence.
        step: how far the steps of a series are apart: a frequency of pandas, a number, or "irregular"; empty
            if nobody knows, as in older checkpoints.
        series: the ids of the series that training has seen.
    """

    signature: Signature
    input_size: int
    target_size: int
    length: int = 0
    max_target_length: int = 1
    input_vocabulary: tuple[str, ...] = ()
    target_vocabulary: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()
    tokenizer: Tokenizer = Tokenizer.spaces
    merges: tuple[str, ...] = ()
    characters: bool = False
    lowercase: bool = False
    target_characters: bool = False
    target_pieces: bool = False
    target_merges: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    input_mean: tuple[float, ...] = ()
    input_std: tuple[float, ...] = ()
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    centered: bool = False
    target_inputs: tuple[int, ...] = ()
    horizon: int = 1
    season: int = 1
    naive_error: tuple[float, ...] = ()
    scaling: ForecastScaling = ForecastScaling.training
    least_error: tuple[float, ...] = ()
    lowest: tuple[float, ...] = ()
    highest: tuple[float, ...] = ()
    error_names: tuple[str, str] = ("token_error_rate", "sequence_error_rate")
    step: str = field(default="", compare=False)
    series: tuple[str, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The spec as dicts, lists, strings and numbers, which `torch.load(weights_only=True)` can read."""
        values = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        signature = self.signature
        values["signature"] = [signature.inputs.value, signature.targets.value, signature.alignment.value]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "DataSpec":
        """The inverse of `to_dict`.

        Raises:
            ValueError: a value is impossible for a data set. The dict may come from a forged file.
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
        self._require_tokenizer()
        for name in ("input_size", "target_size", "max_target_length", "horizon", "season"):
            _require(getattr(self, name) >= 1, f"{name}={getattr(self, name)}: is less than 1")
        for name in ("max_target_length", "horizon"):
            steps = getattr(self, name)
            _require(steps <= MOST_TARGET_STEPS, f"{name}={steps}: is more than {MOST_TARGET_STEPS}")
        for which, mean, std, size in (
            ("input", self.input_mean, self.input_std, self.input_size),
            ("target", self.target_mean, self.target_std, self.target_size),
        ):
            fits = len(mean) == len(std) and size % max(1, len(mean)) == 0 and all(value > 0 for value in std)
            _require(fits, f"{which}_mean and {which}_std: do not fit {which}_size={size}")
        within = all(index < self.input_size for index in self.target_inputs)
        _require(within, f"target_inputs={self.target_inputs}: beyond input_size={self.input_size}")
        self._require_scaling()
        _require(len(self.error_names) == 2, f"error_names={self.error_names}: must be two names")

    def _require_scaling(self) -> None:
        """What is measured from a window must be forecast from it."""
        name, kinds = f"scaling={self.scaling.value}", self.signature
        if self.scaling is ForecastScaling.training:
            return
        _require(self.scaling is not ForecastScaling.auto, f"{name}: is not settled")
        forecast = kinds.inputs is kinds.targets is Kind.CONTINUOUS and self.input_std and self.target_inputs
        steps = 1 if kinds.alignment is not Alignment.SEQUENCE else self.horizon
        whole = self.target_size == steps * len(self.target_inputs)
        _require(bool(forecast) and whole, f"{name}: the targets forecast no input")
        features = len(self.target_inputs)
        fits = len(self.least_error) == features and min(self.least_error) > 0
        _require(fits, "least_error: does not fit target_inputs")
        fits = len(self.lowest) == len(self.highest) == features
        _require(fits, "lowest and highest: do not fit target_inputs")

    def _require_tokenizer(self) -> None:
        """Only text is cut, and in one way."""
        cut = self.tokenizer is not Tokenizer.spaces
        text = self.signature.inputs is Kind.TOKENS and not self.characters
        _require(text or not cut, f"tokenizer={self.tokenizer.value}: cuts no text of words")
        _require(
            self.tokenizer is Tokenizer.pieces or not self.merges, "merges: stand beside no tokenizer=pieces"
        )
        _require_merges("merges", self.merges, self.input_vocabulary)
        text = self.signature.targets is Kind.TOKENS and not self.target_characters
        _require(text or not self.target_pieces, "target_pieces: are of no text of words")
        _require(self.target_pieces or not self.target_merges, "target_merges: stand beside no target_pieces")
        _require_merges("target_merges", self.target_merges, self.target_vocabulary)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _require_merges(key: str, merges: tuple[str, ...], vocabulary: tuple[str, ...]) -> None:
    """What makes pieces must be made of pieces, so no file makes more of them than it holds."""
    pieces = set(vocabulary[len(SPECIAL_TOKENS) :])
    _require(len(set(merges)) == len(merges) <= len(pieces), f"{key}: are more than the pieces")
    for merge in merges:
        left, _, right = merge.partition(" ")
        made = {left, right, left + right} <= pieces
        _require(made, f"{key}: {merge!r:.40} are not two pieces of a third")


def _require_names(key: str, kind: Kind, names: tuple[str, ...], size: int) -> None:
    if kind in (Kind.TOKENS, Kind.CLASSES, Kind.LABELS):
        _require(len(names) == size, f"{key}: holds {len(names)} names for a size of {size}")
    # JSON can hold a lone surrogate, which no file or terminal can be written with.
    _require(
        not any(re.search("[\ud800-\udfff]", name) for name in names),
        f"{key}: holds a lone surrogate, which is not text",
    )
    if kind is Kind.TOKENS:
        _require(
            names[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS, f"{key}: does not begin with {SPECIAL_TOKENS}"
        )
        _require(len(set(names)) == size, f"{key}: holds a token twice")


def _checked(name: str, value: Any, hint: Any) -> Any:
    """A value of the type of its field. A tuple is a list in plain data."""
    if get_args(hint):
        kind = get_args(hint)[0]
        if not isinstance(value, list):
            raise ValueError(f"{name}: is a {type(value).__name__}, not a list")
        return tuple(_checked(name, each, kind) for each in value)
    if issubclass(hint, Enum) and isinstance(value, str):
        return hint(value)
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if type(value) is not hint or (hint is int and not 0 <= value < LARGEST_NUMBER):
        raise ValueError(f"{name}={value!r:.40}: is not a value that a data set has")
    return value
