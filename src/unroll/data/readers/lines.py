"""Lines of text, and what they hold: tokens, or the numbers of a context."""

import re
from pathlib import Path

from unroll.data.readers.cutting import Pieces, words
from unroll.data.readers.table import MAX_VALUE
from unroll.data.readers.text_file import read_text
from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, UNKNOWN, Tokenizer
from unroll.vocabulary import Vocabulary, cut

RESERVED = tuple(token for number, token in enumerate(SPECIAL_TOKENS) if number != UNKNOWN)
"""Tokens that have a meaning of their own, so data may not hold them. (A rare token may be written <unk>.)"""

MAX_TOKENS = 100_000
MAX_TOKEN_LETTERS = 1_000
"""A longer text, or a longer word in it, is no sequence to learn from or to predict for."""

MAX_LISTED_TOKENS = 50
"""How many known tokens a message lists."""


def read_lines(path: Path) -> list[tuple[str, str]]:
    """The lines of a text file that are not blank, each as its place and its text.

    Raises:
        InputError: as `read_text`.
    """
    lines = read_text(path).split("\n")
    return [(f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()]


def read_tokens(
    place: str,
    text: str,
    *,
    tokenizer: Tokenizer = Tokenizer.spaces,
    pieces: Pieces | None = None,
    characters: bool = False,
    lowercase: bool = False,
) -> list[str]:
    """The tokens of a text at `place`; the words of one that has to be cut into pieces, until there are some.

    Raises:
        InputError: the text has no tokens, too many, one that is too long, or a reserved one; or it is not
            text, which only spaces can cut.
    """
    if tokenizer is Tokenizer.spaces:
        tokens = cut(text, characters=characters, lowercase=lowercase)
    else:
        try:
            tokens = words(text, lowercase=lowercase)
        except UnicodeEncodeError as error:
            raise InputError(f"{place}: is not UTF-8 text (character {error.start + 1})") from error
    if not tokens:
        raise InputError(f"{place}: has no tokens; write at least one")
    _require_few(place, tokens)
    for token in tokens:
        if len(token) > MAX_TOKEN_LETTERS:
            raise InputError(
                f"{place}: the token '{token[:10]}…' of {len(token):,} letters, where one has at most "
                f"{MAX_TOKEN_LETTERS:,}; write spaces between tokens"
            )
        if token in RESERVED:
            raise InputError(f"{place}: token '{token}' is reserved for the model; write another")
    if pieces is not None:
        tokens = pieces.cut(tokens)
        _require_few(place, tokens)
    return tokens


def _require_few(place: str, tokens: list[str]) -> None:
    if len(tokens) > MAX_TOKENS:
        raise InputError(f"{place}: {len(tokens):,} tokens; at most {MAX_TOKENS:,} are read, so cut the text")


def require_known(place: str, tokens: list[str], vocabulary: Vocabulary) -> None:
    """Raise an `InputError` that names the tokens outside of the vocabulary, if there are any."""
    ids = vocabulary.encode(tokens)
    missing = dict.fromkeys(token for token, number in zip(tokens, ids, strict=True) if number == UNKNOWN)
    if missing:
        known = vocabulary.tokens[len(SPECIAL_TOKENS) :]
        more = f" … ({len(known)} in all)" if len(known) > MAX_LISTED_TOKENS else ""
        listed = " ".join(known[:MAX_LISTED_TOKENS]) + more
        names = ", ".join(f"'{token}'" for token in missing)
        raise InputError(
            f"{place}: {names}: not in the training data, and the model knows nothing of unknown tokens "
            f"(train with data.min_count=2, or model/embedding=spelling); it knows: {listed}"
        )


def read_context(place: str, text: str, size: int | None) -> list[float]:
    """The numbers of a context, separated by blanks: `size` of them, if the size is known.

    Raises:
        InputError: too few or too many, or one that is not a number or is too large.
    """
    cells = text.split()
    if not cells:
        raise InputError(f"{place}: has no context; write numbers separated by spaces")
    if size is not None and len(cells) != size:
        raise InputError(f"{place}: {len(cells)} of {size} numbers; write as many as on other lines")
    return [_number(place, cell) for cell in cells]


def _number(place: str, cell: str) -> float:
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", cell, re.IGNORECASE | re.ASCII):
        raise InputError(f"{place}: '{cell}' is not a finite number; write numbers as 1234.5 or 1.2e3")
    if abs(float(cell)) > MAX_VALUE:
        raise InputError(f"{place}: '{cell}' is beyond ±{MAX_VALUE:.0e}; write it in a larger unit")
    return float(cell)
