"""What stands in a line of text, checked: tokens, or the numbers of a context."""

import re

from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, UNKNOWN
from unroll.vocabulary import Vocabulary, cut

RESERVED = tuple(token for number, token in enumerate(SPECIAL_TOKENS) if number != UNKNOWN)
"""Tokens that mean something to a model, and so cannot stand in data. (A rare token may be written <unk>.)"""

LARGEST = 3.4e38  # of float32
SHOWN = 50
"""So many known tokens a message lists."""


def read_tokens(place: str, text: str, *, characters: bool = False, lowercase: bool = False) -> list[str]:
    """The tokens of a text, which stands at `place`.

    Raises:
        InputError: it has none, or a reserved one.
    """
    tokens = cut(text, characters=characters, lowercase=lowercase)
    if not tokens:
        raise InputError(f"{place}: has no tokens; write at least one")
    for token in tokens:
        if token in RESERVED:
            raise InputError(f"{place}: token '{token}' is reserved for the model; write another")
    return tokens


def require_known(place: str, tokens: list[str], vocabulary: Vocabulary) -> None:
    """Raise an `InputError` that names the tokens that the vocabulary does not hold."""
    ids = vocabulary.encode(tokens)
    strange = dict.fromkeys(token for token, number in zip(tokens, ids, strict=True) if number == UNKNOWN)
    if strange:
        known = vocabulary.tokens[len(SPECIAL_TOKENS) :]
        listed = " ".join(known[:SHOWN]) + (f" … ({len(known)} in all)" if len(known) > SHOWN else "")
        names = ", ".join(f"'{token}'" for token in strange)
        raise InputError(
            f"{place}: {names}: not in the training data, and the model knows nothing of unknown tokens "
            f"(train with data.min_count=2, or model/embedding=spelling); it knows: {listed}"
        )


def read_context(place: str, text: str, size: int | None) -> list[float]:
    """The numbers of a context, separated by blanks: `size` of them, if it is known.

    Raises:
        InputError: another number of them, one that is none, or one that float32 does not hold.
    """
    cells = text.split()
    if not cells:
        raise InputError(f"{place}: has no context; write numbers separated by spaces")
    if size is not None and len(cells) != size:
        raise InputError(f"{place}: {len(cells)} of {size} numbers; write as many as on other lines")
    return [_number(place, cell) for cell in cells]


def _number(place: str, cell: str) -> float:
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", cell, re.IGNORECASE | re.ASCII):
        raise InputError(f"{place}: '{cell}' is no finite number; write numbers as 1234.5 or 1.2e3")
    if abs(float(cell)) > LARGEST:
        raise InputError(f"{place}: '{cell}' is beyond ±{LARGEST}; write a smaller number")
    return float(cell)
