"""What is known of a data set before a model is built: the kind and size of its inputs and targets."""

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Any

PAD, START, END, UNKNOWN = range(4)
"""Ids that every vocabulary begins with: padding, start and end of a sequence, and an unseen token."""

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")

IGNORED = -1
"""The class of a step that neither loss nor metrics count, though it is no padding."""


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
        """The inverse of `to_dict`."""
        inputs, targets, alignment = values["signature"]
        rest: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name != "signature"
        }
        return cls(signature=Signature(Kind(inputs), Kind(targets), Alignment(alignment)), **rest)
