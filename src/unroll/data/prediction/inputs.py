"""Inputs to predict for, and what is written beside their predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from unroll.data.collate import Sample
from unroll.data.readers.cutting import Pieces
from unroll.data.readers.lines import read_context, read_tokens, require_known
from unroll.data.readers.narrowing import narrow_inputs
from unroll.spec import DataSpec, Kind, Tokenizer
from unroll.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionInputs:
    """Sequences without targets.

    Attributes:
        samples: the sequences.
        columns: what is written beside the predictions of each sequence, by column: its id or its text.
        step_name: the name of the column of steps.
        steps: the names of each sequence's steps, or of the steps ahead in a forecast; empty where they have
            no names.
        ahead: how many steps ahead a forecast reaches; 0 where predictions are no forecast.
    """

    samples: list[Sample]
    columns: dict[str, list[str]] = field(default_factory=dict)
    step_name: str = "step"
    steps: list[list[str]] = field(default_factory=list)
    ahead: int = 0


def text_inputs(
    lines: Sequence[tuple[str, str]], spec: DataSpec, *, unknown: bool = False
) -> PredictionInputs:
    """Sequences of tokens, or contexts, from lines of text: pairs of a place and the text.

    A token that the training data lack is an error unless the model accepts `unknown` tokens, because it was
    trained with some or reads their spelling.

    Raises:
        InputError: an empty line, an unknown token, or a context that is not made of numbers, by place.
    """
    text = {"input": [line.strip() for _, line in lines]}
    if spec.signature.inputs is Kind.CONTEXT:
        contexts = [read_context(place, line, spec.input_size) for place, line in lines]
        return PredictionInputs(
            samples=[
                Sample(index, narrow_inputs(np.array([context]), spec, [place].__getitem__))
                for index, ((place, _), context) in enumerate(zip(lines, contexts, strict=True))
            ],
            columns=text,
        )
    vocabulary = Vocabulary(spec.input_vocabulary)
    letters = Vocabulary(spec.letters) if spec.letters else None
    pieces = Pieces.of(spec) if spec.tokenizer is Tokenizer.pieces else None
    samples = []
    for index, (place, line) in enumerate(lines):
        tokens = read_tokens(
            place,
            line,
            tokenizer=spec.tokenizer,
            pieces=pieces,
            characters=spec.characters,
            lowercase=spec.lowercase,
        )
        if not unknown:
            require_known(place, tokens, vocabulary)
        spelt = [letters.encode(token) for token in tokens] if letters else None
        samples.append(Sample(index, torch.tensor(vocabulary.encode(tokens)), characters=spelt))
    return PredictionInputs(samples=samples, columns=text)
