"""Turns lines of tokens into samples of ids."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unroll.data.collate import Sample
from unroll.data.files.class_names import ClassNames
from unroll.data.files.scale import Scale
from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature
from unroll.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, and its `place`.

    `inputs` are tokens, or the numbers of a context; `targets` are tokens, tags, or one label.
    """

    place: str
    inputs: tuple[Any, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coder:
    """The vocabularies of the training lines, or the scale of their contexts.

    `inputs` is None for contexts, `scale` for tokens, `letters` for tokens without spelling.
    """

    signature: Signature
    inputs: Vocabulary | None
    letters: Vocabulary | None
    targets: Vocabulary | ClassNames
    scale: Scale | None
    spellings: dict[str, list[int]] = field(default_factory=dict)
    """The letters of the words so far. All occurrences of a word share one list."""

    @classmethod
    def of(
        cls,
        train: list[Line],
        signature: Signature,
        *,
        min_count: int,
        max_size: int | None,
        spelt: bool,
        pieces: Vocabulary | None = None,
        target_pieces: Vocabulary | None = None,
    ) -> "Coder":
        """The coder of these training lines; `spelt` says that their tokens are words, or they are `pieces`.

        Raises:
            InputError: all tokens are rare, or all labels are the same.
        """
        inputs = letters = scale = None
        if signature.inputs is Kind.TOKENS:
            inputs = pieces or _vocabulary([line.inputs for line in train], min_count, max_size)
            if spelt:
                letters = Vocabulary.from_sequences(token for line in train for token in line.inputs)
        else:
            scale = Scale.of([np.array([line.inputs for line in train])], ordered=False)
        targets = [line.targets for line in train]
        if signature.targets is Kind.TOKENS:
            known = target_pieces or _vocabulary(targets, min_count, max_size)
            return cls(signature, inputs, letters, known, scale)
        labels = (label for line in targets for label in line)
        return cls(signature, inputs, letters, ClassNames.of(labels, train[0].place), scale)

    def samples(self, lines: list[Line]) -> list[Sample]:
        """A sample for each line.

        Raises:
            InputError: a class that training lacks, by file and line.
        """
        return [
            Sample(index, self._inputs(line), self._targets(line), characters=self._characters(line))
            for index, line in enumerate(lines)
        ]

    def merged(self, lines: list[Line]) -> list[Sample]:
        """A sample for each different input; all targets of that input are its references."""
        assert isinstance(self.targets, Vocabulary)
        targets: dict[tuple[Any, ...], list[tuple[str, ...]]] = {}
        for line in lines:
            known = targets.setdefault(line.inputs, [])
            if line.targets not in known:
                known.append(line.targets)
        first = {line.inputs: line for line in reversed(lines)}
        return [
            Sample(
                index,
                self._inputs(first[inputs]),
                self._targets(first[inputs]),
                references=[self.targets.encode(target) for target in acceptable],
                characters=self._characters(first[inputs]),
            )
            for index, (inputs, acceptable) in enumerate(targets.items())
        ]

    def spec(self, train: list[Line]) -> DataSpec:
        """The spec of the data, from the training lines."""
        scaled = self.scale.spec_values("input") if self.scale else {}
        tokens = isinstance(self.targets, Vocabulary)
        targets = self.targets.tokens if isinstance(self.targets, Vocabulary) else self.targets.names
        return DataSpec(
            signature=self.signature,
            input_size=len(self.inputs) if self.inputs else len(train[0].inputs),
            target_size=len(targets),
            max_target_length=1 + max(len(line.targets) for line in train) if tokens else 1,
            input_vocabulary=self.inputs.tokens if self.inputs else (),
            target_vocabulary=targets,
            letters=self.letters.tokens if self.letters else (),
            centered=self.scale is not None and self.scale.centered,
            **scaled,
        )

    def _inputs(self, line: Line) -> Tensor:
        """Token ids (T,), or a context (1, K)."""
        if self.inputs is None:
            assert self.scale is not None
            values, names = np.array([line.inputs]), [str(number + 1) for number in range(len(line.inputs))]
            return self.scale.narrow(values, self.scale.centered, names, lambda _: line.place)
        return torch.tensor(self.inputs.encode(line.inputs))

    def _characters(self, line: Line) -> list[list[int]] | None:
        if self.letters is None:
            return None
        for word in line.inputs:
            if word not in self.spellings:
                self.spellings[word] = self.letters.encode(word)
        return [self.spellings[word] for word in line.inputs]

    def _targets(self, line: Line) -> Tensor:
        """Token ids (T_out,), classes (T,), or a class ()."""
        if isinstance(self.targets, Vocabulary):
            return torch.tensor(self.targets.encode(line.targets))
        ids = torch.tensor(self.targets.encode(line.targets, lambda _: line.place))
        return ids if self.signature.alignment is Alignment.STEP else ids[0]


def _vocabulary(sequences: list[tuple[str, ...]], min_count: int, max_size: int | None) -> Vocabulary:
    vocabulary = Vocabulary.from_sequences(sequences, min_count, max_size)
    if len(vocabulary) == len(SPECIAL_TOKENS):
        raise InputError(
            f"data.min_count={min_count}: no token of the training data occurs so often; take a smaller one"
        )
    return vocabulary
