"""Batches of near-equal lengths, shuffled anew every epoch, the same whatever the number of workers."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from torch.utils.data import Sampler


class BucketedBatches(Sampler[list[int]]):
    """Lists of sample numbers, one list a batch.

    With `shuffle`, the samples of an epoch are shuffled, sorted by length within pools of
    `pool · batch_size`, cut into batches, and the batches shuffled: padding is little and the order still
    random. It is a function of (seed, epoch) alone. Without `shuffle`, all are sorted longest first, so that
    a batch that does not fit into memory is the first. A pool of 0 does not sort.

    Across `world_size` processes, each batch of the whole is dealt out among them: none lost, none twice,
    batches of one step near-equal in length, and the same number of steps for each. (Where the last would
    get nothing in some step, batches are one larger instead.)
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        *,
        seed: int = 0,
        pool: int = 50,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if len(lengths) < world_size:
            raise ValueError(f"{len(lengths)} samples cannot be dealt out among {world_size} processes")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size * world_size
        self.seed = seed
        self.pool = pool
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self._done = (0, 0)

    @property
    def sampler(self) -> "BucketedBatches":
        """Itself: Lightning calls `set_epoch` of a batch sampler's `sampler`, as torch's own has one."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""
        self.epoch = epoch

    def go_on(self, epoch: int, batches: int) -> None:
        """Begin in an epoch of which the first `batches` have been dealt out already."""
        self.epoch = epoch
        self._done = (epoch, batches)

    def __len__(self) -> int:
        steps = -(-len(self.lengths) // self.batch_size)
        return min(steps, len(self.lengths) // self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, batches = self._done
        yield from islice(self.whole_epoch(), batches if epoch == self.epoch else 0, None)

    def whole_epoch(self) -> Iterator[list[int]]:
        """The batches of the epoch, those that have been dealt out already among them."""
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths)) if self.shuffle else np.arange(len(self.lengths))
        if self.pool:
            size = self.pool * self.batch_size if self.shuffle else len(order)
            pools = [order[start : start + size] for start in range(0, len(order), size)]
            order = np.concatenate([pool[np.argsort(-self.lengths[pool], kind="stable")] for pool in pools])
        # Batches of sizes that differ by at most one: no runt at the end.
        batches = np.array_split(order, len(self))
        turns = random.permutation(len(batches)) if self.shuffle else range(len(batches))
        for turn in turns:
            yield batches[turn][self.rank :: self.world_size].tolist()
