"""Batches cut along time, for truncated backpropagation through time."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from torch.utils.data import DataLoader

from unroll.batch import SequenceBatch
from unroll.data.buckets import BucketedBatches


class SegmentedBatches:
    """The batches of a loader, each cut along time into segments of `steps` steps.

    The length is the number of segments in one epoch. It may differ from epoch to epoch, with the sequences
    that share a batch. Lightning asks for the length only once, so it needs a new object for each epoch.

    `done` is an epoch and the number of its segments that are done. They make up whole batches.
    """

    def __init__(
        self,
        loader: DataLoader[SequenceBatch],
        steps: int,
        epoch: int = 0,
        done: tuple[int, int] = (0, 0),
    ) -> None:
        assert isinstance(loader.batch_sampler, BucketedBatches)
        self.loader = loader
        self.steps = steps
        self.sampler = loader.batch_sampler
        """Lightning calls `set_epoch` of this."""
        self.sampler.set_epoch(epoch)
        if epoch == done[0]:
            self.sampler.go_on(epoch, bisect_right(list(accumulate(self._numbers())), done[1]))

    def __len__(self) -> int:
        return sum(self._numbers())

    def _numbers(self) -> Iterator[int]:
        """The number of segments of each batch."""
        for batch in self.sampler.whole_epoch():
            yield -(-int(self.sampler.lengths[batch].max()) // self.steps)

    def __iter__(self) -> Iterator[SequenceBatch]:
        for batch in self.loader:
            yield from segments(batch, self.steps)


def segments(batch: SequenceBatch, steps: int) -> Iterator[SequenceBatch]:
    """The segments of a batch that has a target for each step.

    Sequences are sorted, the longest first, and sequences that have ended are left out. So the sequences of a
    segment are the first ones of the segment before.
    """
    order = batch.lengths.argsort(descending=True, stable=True)
    for start in range(0, int(batch.lengths.max()), steps):
        rows = order[: int((batch.lengths > start).sum())]
        end = start + steps
        yield SequenceBatch(
            index=batch.index[rows],
            inputs=batch.inputs[rows, start:end],
            lengths=(batch.lengths[rows] - start).clamp(max=steps),
            targets=None if batch.targets is None else batch.targets[rows, start:end],
            characters=None if batch.characters is None else batch.characters[rows, start:end],
            start=start,
        )
