"""DataLoaders of samples, and their worker processes."""

import signal
from functools import partial

import torch
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from unroll.batch import SequenceBatch
from unroll.data.buckets import BucketedBatches
from unroll.data.collate import collate
from unroll.data.samples import Samples
from unroll.spec import Signature


def make_loader(
    samples: Samples,
    batches: BucketedBatches,
    signature: Signature,
    *,
    workers: int,
    seed: int,
    ignore_signals: bool,
) -> DataLoader[SequenceBatch]:
    """A loader of these batches. With `ignore_signals` its workers leave signals to the run."""
    return DataLoader(
        samples,  # type: ignore[arg-type]  # collate_fn makes batches of them
        batch_sampler=batches,
        collate_fn=partial(collate, signature=signature),
        num_workers=workers,
        persistent_workers=workers > 0,
        # The fork server that this process may come from would import everything again in each worker.
        multiprocessing_context="fork" if workers else None,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_ignore_signals if ignore_signals else None,
        # Making an iterator draws a number. A generator of the loader's own leaves the global one alone.
        generator=torch.Generator().manual_seed(seed),
    )


def stop_workers(loader: DataLoader[SequenceBatch]) -> None:
    """End the workers of a loader, if it has started some."""
    if isinstance(loader._iterator, _MultiProcessingDataLoaderIter):
        loader._iterator._shutdown_workers()


def _ignore_signals(worker: int) -> None:
    """Leave signals to the run, which needs its workers to come to an end.

    Terminals and SLURM send signals to the workers too.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    # SIGTERM ends a worker, but late: a process that leaves its workers to Python would wait for ever.
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(20))
