"""Batches of similar lengths, shuffled for each epoch, independent of the number of workers."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from torch.utils.data import Sampler


class BucketedBatches(Sampler[list[int]]):
    """Lists of sample numbers, one list for each batch.

    With `shuffle`, the samples of an epoch are shuffled, sorted by length within pools of
    `pool · batch_size`, cut into batches, and the batches shuffled: there is little padding, and the order is
    still random. The order is a function of (seed, epoch). Without `shuffle`, all samples are sorted, the
    longest first, so that a batch that does not fit into memory fails at once. A pool of 0 does not sort.

    With `world_size` processes, each batch is divided among them. No sample is lost or comes twice, the parts
    of a batch have similar lengths, and all processes have the same number of steps. (Where a process would
    get nothing in some step, there are fewer and larger batches.)
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
        """This sampler itself. Lightning calls `set_epoch` of the `sampler` of a batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Use the order of this epoch from now on."""
        self.epoch = epoch

    def go_on(self, epoch: int, batches: int) -> None:
        """Skip the first `batches` batches of this epoch, which are done."""
        self.epoch = epoch
        self._done = (epoch, batches)

    def __len__(self) -> int:
        steps = -(-len(self.lengths) // self.batch_size)
        return min(steps, len(self.lengths) // self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, batches = self._done
        yield from islice(self.whole_epoch(), batches if epoch == self.epoch else 0, None)

    def whole_epoch(self) -> Iterator[list[int]]:
        """All batches of the epoch, those that are done included."""
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths)) if self.shuffle else np.arange(len(self.lengths))
        if self.pool:
            size = self.pool * self.batch_size if self.shuffle else len(order)
            pools = [order[start : start + size] for start in range(0, len(order), size)]
            order = np.concatenate([pool[np.argsort(-self.lengths[pool], kind="stable")] for pool in pools])
        # The sizes of batches differ by at most one, so the last batch is not a small rest.
        batches = np.array_split(order, len(self))
        turns = random.permutation(len(batches)) if self.shuffle else range(len(batches))
        for turn in turns:
            yield batches[turn][self.rank :: self.world_size].tolist()
