"""What is known of a data set before a model is built: the kind and size of its inputs and targets."""

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import Any

PAD, START, END, UNKNOWN = range(4)
"""Ids that every vocabulary begins with: padding, start and end of a sequence, and an unseen token."""

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")


class Kind(Enum):
    """What one time step of an input or a target is."""

    TOKENS = "tokens"
    CONTINUOUS = "continuous"
    CLASSES = "classes"


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

    `input_size` is the number of features, or the size of the vocabulary with its four special tokens;
    `target_size` likewise. `characters` and `lowercase` say how text is cut into input tokens.
    `error_names` are the names of the error rate per target token and per whole sequence.
    """

    signature: Signature
    input_size: int
    target_size: int
    max_target_length: int = 1
    input_vocabulary: tuple[str, ...] = ()
    target_vocabulary: tuple[str, ...] = ()
    characters: bool = False
    lowercase: bool = False
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
