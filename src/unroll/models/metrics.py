"""Error rates of whole token sequences, correct for uneven batches and several processes."""

from collections.abc import Sequence

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from torchmetrics import Metric

References = Sequence[Sequence[Sequence[int]]]


class SequenceErrors(Metric):
    """Error rates of predicted token sequences. A sequence may have several correct references.

    `compute` returns, over all sequences seen:
    - the token error rate: edits (insertions, deletions, substitutions) to the nearest reference / the
      tokens of those references. On phonemes it is called PER;
    - the sequence error rate: the share of sequences unlike each of their references. On words: WER.

    If several references are equally near, the first counts.
    """

    full_state_update = False
    edits: Tensor
    reference_tokens: Tensor
    wrong: Tensor
    sequences: Tensor

    def __init__(self) -> None:
        super().__init__()
        for state in ("edits", "reference_tokens", "wrong", "sequences"):
            self.add_state(state, torch.tensor(0, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predictions: Sequence[Sequence[int]], references: References) -> None:
        """Add one batch; `references[i]` lists the acceptable targets of `predictions[i]`."""
        found = edits(predictions, references)
        self.edits += sum(distance for distance, _ in found)
        self.reference_tokens += sum(length for _, length in found)
        self.wrong += sum(distance > 0 for distance, _ in found)
        self.sequences += len(predictions)

    def compute(self) -> tuple[Tensor, Tensor]:
        """The token error rate and the sequence error rate."""
        return self.edits / self.reference_tokens.clamp(min=1), self.wrong / self.sequences.clamp(min=1)


def edits(predictions: Sequence[Sequence[int]], references: References) -> list[tuple[int, int]]:
    """For each prediction the edits to its nearest reference, and the length of that one."""
    return [
        min(
            ((Levenshtein.distance(predicted, target), len(target)) for target in acceptable),
            key=lambda pair: pair[0],
        )
        for predicted, acceptable in zip(predictions, references, strict=True)
    ]
