"""Text ↔ token ids, by a DataSpec: what a person types and reads, and what a model does."""

from collections.abc import Sequence
from functools import cached_property

from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, UNKNOWN, DataSpec
from unroll.vocabulary import Vocabulary


class Text:
    """Cuts text into input tokens and joins output tokens, as the data set that a model learned from did."""

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    @cached_property
    def inputs(self) -> Vocabulary:
        """The input tokens."""
        return Vocabulary(self.spec.input_vocabulary)

    @cached_property
    def outputs(self) -> Vocabulary:
        """The output tokens."""
        return Vocabulary(self.spec.target_vocabulary)

    def encode(self, text: str) -> list[int]:
        """Ids of a text's tokens.

        Raises:
            InputError: the text is empty or holds a token that the model has never seen.
        """
        text = text.strip().lower() if self.spec.lowercase else text.strip()
        tokens = list(text) if self.spec.characters else text.split()
        if not tokens:
            raise InputError("the text is empty; give at least one token")
        ids = self.inputs.encode(tokens)
        if UNKNOWN in ids:
            unknown = tokens[ids.index(UNKNOWN)]
            known = " ".join(self.inputs.tokens[len(SPECIAL_TOKENS) :])
            raise InputError(
                f"'{unknown}' in '{text}': the model does not know this token; it knows: {known}"
            )
        return ids

    def input_text(self, ids: Sequence[int]) -> str:
        """The text of input ids."""
        return ("" if self.spec.characters else " ").join(self.inputs.decode(ids))

    def output_text(self, ids: Sequence[int]) -> str:
        """The text of output ids."""
        return " ".join(self.outputs.decode(ids))
