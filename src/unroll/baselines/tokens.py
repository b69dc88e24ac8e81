"""Baselines of models that write tokens."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable

from unroll.batch import SequenceBatch
from unroll.data.collate import Sample
from unroll.data.readers.cutting import Pieces
from unroll.spec import UNKNOWN, DataSpec, Tokenizer
from unroll.text import Text
from unroll.vocabulary import cut


class TokenBaseline(ABC):
    """A baseline that was fitted on the training part."""

    name: str

    @abstractmethod
    def predictions(self, batch: SequenceBatch) -> list[list[int]]:
        """The target tokens that it writes for each sequence, without END."""


class Copy(TokenBaseline):
    """The source once more, cut as the targets are."""

    name = "copy of the source"

    def __init__(self, spec: DataSpec) -> None:
        self.text = Text(spec)
        targets = {token: number for number, token in enumerate(spec.target_vocabulary)}
        self.pieces = Pieces.of_targets(spec) if spec.target_pieces else None
        self.targets = [targets.get(token, UNKNOWN) for token in spec.input_vocabulary]

    def predictions(self, batch: SequenceBatch) -> list[list[int]]:
        pairs = zip(batch.inputs.tolist(), batch.lengths.tolist(), strict=True)
        rows = [row[:length] for row, length in pairs]
        spec = self.text.spec
        if spec.tokenizer is Tokenizer.pieces or self.pieces:
            spelt = [None] * len(batch) if batch.characters is None else batch.characters.tolist()
            texts = [
                self.text.input_text(row, letters and letters[: len(row)])
                for row, letters in zip(rows, spelt, strict=True)
            ]
            words = [cut(text, characters=spec.target_characters) for text in texts]
            if self.pieces:
                words = [self.pieces.cut(each) for each in words]
            return [self.text.outputs.encode(tokens) for tokens in words]
        return [[self.targets[token] for token in row] for row in rows]


class Same(TokenBaseline):
    """The same target for all: the most frequent one, or the first of several."""

    name = "most frequent target"

    def __init__(self, train: Iterable[Sample]) -> None:
        counts = Counter(tuple(each.targets.tolist()) for each in train if each.targets is not None)
        ((target, _),) = counts.most_common(1)
        self.target = list(target)

    def predictions(self, batch: SequenceBatch) -> list[list[int]]:
        return [self.target] * len(batch)
