"""The vocabulary: tokens to ids and back."""

from collections import Counter
from collections.abc import Iterable, Sequence

from unroll.spec import SPECIAL_TOKENS, UNKNOWN


def cut(text: str, *, characters: bool = False, lowercase: bool = False) -> list[str]:
    """The tokens of a text: its words, split at whitespace, or each of its `characters`."""
    text = text.strip().lower() if lowercase else text.strip()
    return list(text) if characters else text.split()


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
    def from_sequences(
        cls, sequences: Iterable[Sequence[str]], min_count: int = 1, max_size: int | None = None
    ) -> "Vocabulary":
        """The tokens of the sequences, sorted, so that the order of sequences does not matter.

        Tokens that occur less than `min_count` times are left out. Of the rest, the `max_size` most frequent
        are kept (of equally frequent ones, those that sort first). Special tokens do not count.
        """
        counts = Counter(token for sequence in sequences for token in sequence)
        tokens = [token for token in counts if counts[token] >= min_count and token not in SPECIAL_TOKENS]
        tokens.sort(key=lambda token: (-counts[token], token))
        return cls([*SPECIAL_TOKENS, *sorted(tokens[:max_size])])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of the tokens; UNKNOWN for those not in the vocabulary."""
        return [self._ids.get(token, UNKNOWN) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of the ids."""
        return [self.tokens[index] for index in ids]
