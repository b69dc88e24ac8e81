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

SAMPLED = 8
"""Batches, from the smallest to the largest, that stand for all of an epoch."""

LARGEST = 4
"""How often the largest comes first: what is freed is not all used again, so memory grows for a while."""

ROUNDS = 3
"""How often the sampled ones come."""


class FewBatches:
    """Of the first epoch's batches a few: one sequence to warm up, the largest, and some of all sizes.

    Iterating gives the steps of training on them, each cut along time into segments of `cut` steps (None:
    whole batches).

    Attributes:
        batches: those of the epoch, or of it the first `limit`, as lists of sample numbers.
        chosen: those to train on.
        largest: the one with the most values.
        groups: how many batches each of the sampled ones stands for.
    """

    def __init__(self, data: SequenceDataModule, cut: int | None, limit: int | None) -> None:
        self.data, self.cut = data, cut
        self.samples = data.splits["train"]
        sampler: Any = data.loader("train", shuffle=True).batch_sampler
        self.batches: list[list[int]] = list(sampler)[:limit]
        by_size = np.argsort([self._size(batch) for batch in self.batches], kind="stable")
        self.largest = self.batches[by_size[-1]]
        groups = np.array_split(by_size, min(SAMPLED, len(by_size)))
        self.groups = [len(group) for group in groups]
        sampled = [self.batches[group[len(group) // 2]] for group in groups]
        warm_up = [min(self.largest, key=self.length)]
        self.chosen = [warm_up, *[self.largest] * LARGEST, *sampled * ROUNDS]

    def length(self, sample: int) -> int:
        """The steps of a sample."""
        return self.samples.lengths[sample]

    def steps(self, batch: Sequence[int]) -> int:
        """The steps of training that a batch is."""
        return 1 if self.cut is None else -(-max(map(self.length, batch)) // self.cut)

    def ends(self) -> list[int]:
        """How many steps have been done when each of the chosen batches is."""
        return [int(end) for end in np.cumsum([self.steps(batch) for batch in self.chosen])]

    def first_step(self, samples: Sequence[int]) -> SequenceBatch:
        """What training would take of these samples first."""
        batch = self.data.collate([self.samples[index] for index in samples])
        return batch if self.cut is None else next(segments(batch, self.cut))

    def __len__(self) -> int:
        return self.ends()[-1]

    def __iter__(self) -> Iterator[SequenceBatch]:
        loader: DataLoader[Any] = DataLoader(
            self.samples,
            batch_sampler=self.chosen,
            collate_fn=partial(collate, signature=self.data.spec.signature),  # which workers can be sent
            num_workers=self.data.config.workers,
            generator=torch.Generator(),
        )
        for batch in loader:
            yield from [batch] if self.cut is None else segments(batch, self.cut)

    def _size(self, batch: Sequence[int]) -> int:
        """Sequences × steps, with padding; and the steps of targets, where they are others."""
        steps = max(map(self.length, batch))
        if self.data.spec.signature.alignment is Alignment.UNALIGNED:
            targets = [self.samples[index].targets for index in batch]
            steps += max(len(target) for target in targets if target is not None)
        return len(batch) * steps
