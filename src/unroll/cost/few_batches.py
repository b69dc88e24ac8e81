"""A few batches that stand for an epoch."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from unroll.batch import SequenceBatch
from unroll.data.collate import collate
from unroll.data.module import SequenceDataModule
from unroll.data.segments import segments
from unroll.spec import Alignment

MOST_SAMPLED_BATCHES = 8
"""This many batches, from the smallest to the largest, stand for all of an epoch."""

SAMPLE_ROUNDS = 3
"""How often training goes through the sampled batches."""

LARGEST_BATCH_REPEATS = 4
"""How often the largest batch comes first: memory grows for a while, as not all that is freed is reused."""


class FewBatches:
    """A few batches of the first epoch: one sequence to warm up, the largest batch, then some of all sizes.

    Iterating gives the training steps on these batches. `cut` is the number of time steps of a segment into
    which each batch is cut; None leaves the batches whole.

    Attributes:
        batches: the batches of the epoch (its first `limit`), as lists of sample numbers.
        chosen: the batches to train on.
        largest: the batch with the most values.
        group_sizes: how many batches of the epoch each sampled batch stands for.
    """

    def __init__(self, data: SequenceDataModule, cut: int | None, limit: int | None) -> None:
        self.data, self.cut = data, cut
        self.samples = data.splits["train"]
        sampler: Any = data.loader("train", shuffle=True).batch_sampler
        self.batches: list[list[int]] = list(sampler)[:limit]
        by_size = np.argsort([self._size(batch) for batch in self.batches], kind="stable")
        self.largest = self.batches[by_size[-1]]
        groups = np.array_split(by_size, min(MOST_SAMPLED_BATCHES, len(by_size)))
        self.group_sizes = [len(group) for group in groups]
        sampled = [self.batches[group[len(group) // 2]] for group in groups]
        warm_up = [min(self.largest, key=self.length)]
        self.chosen = [warm_up, *[self.largest] * LARGEST_BATCH_REPEATS, *sampled * SAMPLE_ROUNDS]

    def length(self, sample: int) -> int:
        """The number of time steps of a sample."""
        return self.samples.lengths[sample]

    def steps(self, batch: Sequence[int]) -> int:
        """The number of training steps on a batch: one for each segment."""
        return 1 if self.cut is None else -(-max(map(self.length, batch)) // self.cut)

    def ends(self) -> list[int]:
        """The number of training steps up to the end of each chosen batch."""
        return [int(end) for end in np.cumsum([self.steps(batch) for batch in self.chosen])]

    def first_segment(self, samples: Sequence[int]) -> SequenceBatch:
        """The batch of these samples, or its first segment where batches are cut."""
        batch = self.data.collate([self.samples[index] for index in samples])
        return batch if self.cut is None else next(segments(batch, self.cut))

    def __len__(self) -> int:
        return self.ends()[-1]

    def __iter__(self) -> Iterator[SequenceBatch]:
        loader: DataLoader[Any] = DataLoader(
            self.samples,
            batch_sampler=self.chosen,
            collate_fn=partial(collate, signature=self.data.spec.signature),  # can be sent to workers
            num_workers=self.data.config.workers,
            generator=torch.Generator(),
        )
        for batch in loader:
            yield from [batch] if self.cut is None else segments(batch, self.cut)

    def _size(self, batch: Sequence[int]) -> int:
        """Sequences × time steps, padding included. Unaligned targets add their own time steps."""
        steps = max(map(self.length, batch))
        if self.data.spec.signature.alignment is Alignment.UNALIGNED:
            targets = [self.samples[index].targets for index in batch]
            steps += max(len(target) for target in targets if target is not None)
        return len(batch) * steps
