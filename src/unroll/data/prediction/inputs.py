"""What a model is to predict for, and what is written beside its predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unroll.data.collate import Sample
from unroll.data.readers.lines import read_context, read_tokens, require_known
from unroll.data.readers.text_file import read_text
from unroll.spec import DataSpec, Kind
from unroll.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Sequences without targets.

    Attributes:
        samples: the sequences.
        columns: what is written beside the predictions of each sequence, by column: its id or its text.
        step_name: the column that names the steps.
        steps: of each sequence its steps, or the steps ahead where it is to be forecast; empty where neither
            is known.
        ahead: how many steps ahead the predictions of a forecast reach; 0 where they are none.
    """

    samples: list[Sample]
    columns: dict[str, list[str]] = field(default_factory=dict)
    step_name: str = "step"
    steps: list[list[str]] = field(default_factory=list)
    ahead: int = 0


def read_lines(path: Path) -> list[tuple[str, str]]:
    """The lines of a text file that are not blank, each after its place.

    Raises:
        InputError: as `read_text`.
    """
    lines = read_text(path).split("\n")
    return [(f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()]


def text_inputs(lines: Sequence[tuple[str, str]], spec: DataSpec, *, unknown: bool = False) -> Inputs:
    """Sequences of tokens, or contexts, that stand in lines of text; with each line its place.

    Tokens that training has not seen are errors unless the model can do with `unknown` ones: training has
    taught it what they are like, or it reads how they are spelt.

    Raises:
        InputError: an empty line, an unknown token, or numbers that are none, by place.
    """
    text = {"input": [line.strip() for _, line in lines]}
    if spec.signature.inputs is Kind.CONTEXT:
        contexts = [read_context(place, line, spec.input_size) for place, line in lines]
        return Inputs(
            samples=[Sample(index, torch.tensor([context])) for index, context in enumerate(contexts)],
            columns=text,
        )
    vocabulary = Vocabulary(spec.input_vocabulary)
    letters = Vocabulary(spec.letters) if spec.letters else None
    samples = []
    for index, (place, line) in enumerate(lines):
        tokens = read_tokens(place, line, characters=spec.characters, lowercase=spec.lowercase)
        if not unknown:
            require_known(place, tokens, vocabulary)
        spelt = [letters.encode(token) for token in tokens] if letters else None
        samples.append(Sample(index, torch.tensor(vocabulary.encode(tokens)), characters=spelt))
    return Inputs(samples=samples, columns=text)
