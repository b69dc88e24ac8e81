"""Tokens ↔ ids."""

from collections import Counter
from collections.abc import Iterable, Sequence

from unroll.spec import SPECIAL_TOKENS, UNKNOWN


class Vocabulary:
    """A fixed list of tokens, the four special ones first."""

    def __init__(self, tokens: Sequence[str]) -> None:
        if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise ValueError(f"a vocabulary begins with {SPECIAL_TOKENS}, not {tuple(tokens[:4])}")
        self.tokens = tuple(tokens)
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            repeated = [token for token, count in Counter(self.tokens).items() if count > 1]
            raise ValueError(f"a vocabulary holds each token once; repeated: {repeated}")

    @classmethod
    def from_sequences(cls, sequences: Iterable[Sequence[str]]) -> "Vocabulary":
        """All tokens of the sequences, sorted, so that their order does not matter."""
        return cls([*SPECIAL_TOKENS, *sorted({token for sequence in sequences for token in sequence})])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of the tokens; UNKNOWN for those not in the vocabulary."""
        return [self._ids.get(token, UNKNOWN) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of the ids."""
        return [self.tokens[index] for index in ids]
