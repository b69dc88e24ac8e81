"""Token ids as text."""

from collections.abc import Sequence
from functools import cached_property

from unroll.spec import PAD, UNKNOWN, WORD_START, DataSpec, Tokenizer
from unroll.vocabulary import Vocabulary


class Text:
    """Turns token ids into text, written like the data that a model learned from."""

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    @cached_property
    def inputs(self) -> Vocabulary:
        """The input tokens."""
        return Vocabulary(self.spec.input_vocabulary)

    @cached_property
    def letters(self) -> Vocabulary:
        """The characters that input tokens are spelt with."""
        return Vocabulary(self.spec.letters)

    @cached_property
    def outputs(self) -> Vocabulary:
        """The output tokens."""
        return Vocabulary(self.spec.target_vocabulary)

    def input_text(self, ids: Sequence[int], characters: Sequence[Sequence[int]] | None = None) -> str:
        """The text of input ids. An unknown token is spelt by its `characters`, if they are given."""
        tokens = self.inputs.decode(ids)
        if characters is not None:
            tokens = [
                "".join(self.letters.decode(letter for letter in spelt if letter != PAD))
                if index == UNKNOWN
                else token
                for index, token, spelt in zip(ids, tokens, characters, strict=True)
            ]
        if self.spec.tokenizer is Tokenizer.pieces:
            return _joined(tokens)
        return ("" if self.spec.characters else " ").join(tokens)

    def output_text(self, ids: Sequence[int]) -> str:
        """The text of output ids."""
        tokens = self.outputs.decode(ids)
        if self.spec.target_pieces:
            return _joined(tokens)
        return ("" if self.spec.target_characters else " ").join(tokens)


def _joined(pieces: list[str]) -> str:
    """The words that these pieces make."""
    return "".join(pieces).replace(WORD_START, " ").strip()
