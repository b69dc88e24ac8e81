"""Spans of tags: B-x begins a span of kind x, I-x goes on with it, O is in none (Ramshaw & Marcus 1995)."""

import itertools
from collections.abc import Iterator, Sequence
from operator import itemgetter

import torch
from jaxtyping import Int
from torch import Tensor
from torchmetrics import Metric

Span = tuple[int, int, str]
"""The first step, the step after the last, and the kind."""


def are_bio(tags: Sequence[str]) -> bool:
    """Whether these are tags of spans, of which some begin with B-."""
    parts = [tag for tag in tags if tag != "O"]
    return any(tag.startswith("B-") for tag in parts) and all(
        len(tag) > 2 and tag.startswith(("B-", "I-")) for tag in parts
    )


def spans(tags: Sequence[str]) -> Iterator[Span]:
    """The spans of a sequence, as conlleval reads them: an I- after another kind, or after O, begins one."""
    start, kind = 0, ""
    for step, tag in enumerate([*tags, "O"]):
        if kind and not (tag.startswith("I-") and tag[2:] == kind):
            yield start, step, kind
            kind = ""
        if not kind and tag != "O":
            start, kind = step, tag[2:]


class SpanScores(Metric):
    """Precision, recall and F1 of spans, as conlleval (Tjong Kim Sang & Buchholz 2000) and seqeval have them.

    A span is right if its beginning, its end and its kind are. All spans of the split count the same.
    """

    full_state_update = False
    counts: Int[Tensor, " 3"]

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__()
        self.tags = tuple(tags)
        self.add_state("counts", torch.zeros(3, dtype=torch.long), dist_reduce_fx="sum")

    def update(
        self, predicted: Int[Tensor, " rows"], true: Int[Tensor, " rows"], sequence: Int[Tensor, " rows"]
    ) -> None:
        """Add the tags of whole sequences, by id. Steps of one `sequence` follow one another."""
        counts = [0, 0, 0]
        rows = zip(sequence.tolist(), predicted.tolist(), true.tolist(), strict=True)
        for _, steps in itertools.groupby(rows, key=itemgetter(0)):
            tags = [(self.tags[found], self.tags[wanted]) for _, found, wanted in steps]
            found, wanted = (set(spans(side)) for side in zip(*tags, strict=True))
            for number, part in enumerate((found & wanted, found, wanted)):
                counts[number] += len(part)
        self.counts += torch.tensor(counts, device=self.counts.device)

    def compute(self) -> tuple[Tensor, Tensor, Tensor]:
        """Precision, recall and F1. Without any true span they are not defined, and NaN."""
        right, found, wanted = self.counts
        if wanted == 0:
            undefined = torch.tensor(torch.nan)
            return undefined, undefined, undefined
        return right / found.clamp(min=1), right / wanted, 2 * right / (found + wanted)
