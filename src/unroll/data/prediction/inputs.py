"""Inputs to predict for, and what is written beside their predictions."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from unroll.data.collate import Sample
from unroll.data.prediction.refused import Refused, noting
from unroll.data.readers.cutting import Pieces
from unroll.data.readers.lines import read_context, read_tokens, require_known
from unroll.data.readers.narrowing import narrow_inputs
from unroll.spec import Alignment, DataSpec, Kind, Tokenizer
from unroll.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionInputs:
    """Sequences without targets.

    Attributes:
        samples: the sequences.
        columns: what is written beside the predictions of each sequence, by column: its id, or its line and
            text.
        step_name: the name of the column of steps.
        steps: the names of each sequence's steps, or of the steps ahead in a forecast; empty where they have
            no names.
        tokens: the tokens at each sequence's steps, where there is a prediction for each.
        ahead: how many steps ahead a forecast reaches; 0 where predictions are no forecast.
        notes: what a person should know of how they were read, a line each.
    """

    samples: list[Sample]
    columns: dict[str, list[str]] = field(default_factory=dict)
    step_name: str = "step"
    steps: list[list[str]] = field(default_factory=list)
    tokens: list[list[str]] = field(default_factory=list)
    ahead: int = 0
    notes: list[str] = field(default_factory=list)


def text_inputs(
    lines: Sequence[tuple[str, str]],
    spec: DataSpec,
    *,
    unknown: bool = False,
    check: Callable[[str, int], None] | None = None,
    refused: Refused | None = None,
) -> PredictionInputs:
    """Sequences of tokens, or contexts, from lines of text: pairs of a place and the text.

    A token that the training data lack is an error unless the model accepts `unknown` tokens, because it was
    trained with some or reads their spelling. `check` may refuse a place with so many tokens. The faults of
    lines are noted in `refused`, if it is given.

    Raises:
        InputError: an empty line, an unknown token, or a context that is not made of numbers, by place.
    """
    samples: list[Sample] = []
    kept: list[int] = []
    tokens_of: list[list[str]] = []
    if spec.signature.inputs is Kind.CONTEXT:
        for number, (place, line) in enumerate(lines):
            with noting(refused):
                context = np.array([read_context(place, line, spec.input_size)])
                samples.append(Sample(len(samples), narrow_inputs(context, spec, [place].__getitem__)))
                kept.append(number)
        return PredictionInputs(samples=samples, columns=_beside(lines, kept, spec))
    vocabulary = Vocabulary(spec.input_vocabulary)
    letters = Vocabulary(spec.letters) if spec.letters else None
    pieces = Pieces.of(spec) if spec.tokenizer is Tokenizer.pieces else None
    for number, (place, line) in enumerate(lines):
        with noting(refused):
            tokens = read_tokens(
                place,
                line,
                tokenizer=spec.tokenizer,
                pieces=pieces,
                characters=spec.characters,
                lowercase=spec.lowercase,
            )
            if check is not None:
                check(place, len(tokens))
            if not unknown:
                require_known(place, tokens, vocabulary)
            spelt = [letters.encode(token) for token in tokens] if letters else None
            samples.append(Sample(len(samples), torch.tensor(vocabulary.encode(tokens)), characters=spelt))
            kept.append(number)
            tokens_of.append(tokens)
    by_step = spec.signature.alignment is Alignment.STEP
    columns = _beside(lines, kept, spec)
    return PredictionInputs(samples=samples, columns=columns, tokens=tokens_of if by_step else [])


def _beside(lines: Sequence[tuple[str, str]], kept: list[int], spec: DataSpec) -> dict[str, list[str]]:
    """The lines in the file, and the texts there unless each token stands beside its step; of those from
    which tokens are predicted, the texts alone."""
    columns = {}
    if spec.signature.targets is not Kind.TOKENS:
        columns["line"] = [_line(lines[number][0], number) for number in kept]
    if spec.signature.alignment is not Alignment.STEP:
        columns["input"] = [lines[number][1].strip() for number in kept]
    return columns


def _line(place: str, number: int) -> str:
    """The line that a place names; without one, the number of the input among all, from 1."""
    named = re.search(r":(?:row )?(\d+)$", place)
    return named[1] if named else str(number + 1)
