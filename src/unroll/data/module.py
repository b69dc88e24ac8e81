"""What every data set shares: three splits, batches of near-equal lengths, a spec."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from unroll.batch import SequenceBatch
from unroll.config.components import DataConfig
from unroll.config.registry import build, to_dict
from unroll.data.buckets import BucketedBatches
from unroll.data.collate import Sample, collate
from unroll.data.prediction.inputs import Inputs, read_lines, text_inputs
from unroll.data.samples import Samples
from unroll.data.segments import SegmentedBatches
from unroll.errors import InputError
from unroll.spec import DataSpec, Kind


class SequenceDataModule(pl.LightningDataModule, ABC):
    """A LightningDataModule that yields `SequenceBatch`es from a train, a valid and a test split.

    The splits and their order depend on the config and the seed alone, not on workers or processes.
    `spec` and `splits` are made once, when first asked for.

    Attributes:
        carried: how many missing values were filled with the one before, once the data are loaded.
        truncate_steps: training batches are cut along time into segments of so many steps (None: whole).
    """

    carried: int = 0
    truncate_steps: int | None = None

    def __init__(self, config: DataConfig, seed: int) -> None:
        super().__init__()
        self.config = config
        self.seed = seed
        self.save_hyperparameters({"data": to_dict(config), "seed": seed}, logger=False)
        self._prepared: tuple[DataSpec, dict[str, Samples]] | None = None
        self._place = (0, 0)
        self._loaders: WeakSet[DataLoader[SequenceBatch]] = WeakSet()

    @abstractmethod
    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        """Make or read the data: its spec, and the splits "train", "valid" and "test"."""

    def inputs(self, path: Path, spec: DataSpec, *, unknown: bool = False) -> Inputs:
        """Sequences to predict for, from a file without targets; none of the data themselves is read.

        `spec` is that of the data that the model has learned from; `unknown` says whether it can do with
        tokens that were not among them. Here tokens and contexts are read, one sequence a line.

        Raises:
            InputError: what is wrong with the file, by line; or this data set reads none.
        """
        if spec.signature.inputs is not Kind.CONTINUOUS:
            return text_inputs(read_lines(path), spec, unknown=unknown)
        raise InputError(f"data.name={self.config.name}: this data set cannot read inputs from {path}")

    @property
    def description(self) -> str:
        """What a person should know of the data when reading its results, in a few words."""
        return str(self.config.signature())

    @property
    def accepts_unknown(self) -> bool:
        """Whether training teaches a model what tokens are like that it does not know."""
        return False

    @property
    def spec(self) -> DataSpec:
        """What a model must know of the data."""
        return self._load()[0]

    @property
    def splits(self) -> dict[str, Samples]:
        """The splits by name."""
        return self._load()[1]

    def collate(self, samples: Sequence[Sample]) -> SequenceBatch:
        """A batch of these samples."""
        return collate(samples, self.spec.signature)

    def train_dataloader(self) -> DataLoader[SequenceBatch] | SegmentedBatches:
        loader = self.loader("train", shuffle=True)
        if self.truncate_steps is None:
            return loader
        epoch = self.trainer.fit_loop.epoch_progress.current.processed if self.trainer else 0  # type: ignore[attr-defined]
        return SegmentedBatches(loader, self.truncate_steps, epoch, self._place)

    def val_dataloader(self) -> DataLoader[SequenceBatch]:
        return self.loader("valid")

    def test_dataloader(self) -> DataLoader[SequenceBatch]:
        return self.loader("test")

    def loader(self, split: str, *, shuffle: bool = False) -> DataLoader[SequenceBatch]:
        """Batches of a split, dealt out among the trainer's processes where there are several."""
        samples = self.splits[split]
        trainer = self.trainer
        batches = BucketedBatches(
            samples.lengths,
            self.config.batch_size,
            seed=self.seed,
            pool=self.config.bucket_pool,
            shuffle=shuffle,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        if shuffle and self.truncate_steps is None:
            batches.go_on(*self._place)
        loader: DataLoader[SequenceBatch] = DataLoader(
            samples,  # type: ignore[arg-type]  # collate_fn makes batches of them
            batch_sampler=batches,
            collate_fn=partial(collate, signature=self.spec.signature),
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
            # Not the way in which this process was started: a fork server would have each import it all.
            multiprocessing_context="fork" if self.config.workers else None,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_signals if trainer else None,
            # Making an iterator draws a number; from a generator of its own it leaves the global one alone.
            generator=torch.Generator().manual_seed(self.seed),
        )
        self._loaders.add(loader)
        return loader

    def stop_workers(self) -> None:
        """End the loaders' workers, which the end of this process would wait for."""
        for loader in self._loaders:
            if isinstance(loader._iterator, _MultiProcessingDataLoaderIter):
                loader._iterator._shutdown_workers()

    def state_dict(self) -> dict[str, Any]:
        """Where training is: the epoch, and how many of its batches are done with."""
        loop = self._trainer.fit_loop
        epoch = loop.epoch_progress.total.started - 1  # type: ignore[attr-defined]
        batches = loop.epoch_loop.batch_progress.current.completed
        if batches == self._trainer.num_training_batches:
            epoch, batches = epoch + 1, 0
        return {"epoch": epoch, "batches": batches, "order": self._order()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin there. It is called before the loaders are made, whose workers read ahead.

        Raises:
            InputError: it is in the middle of an epoch, and the batches are others now.
        """
        if state_dict["batches"]:
            for name, value in self._order().items():
                before = state_dict["order"].get(name)
                if value != before:
                    raise InputError(
                        f"{name}={value}: was {before} in the run to go on from, which is in the middle of "
                        "an epoch: its batches would be others; give what it was"
                    )
        self._place = state_dict["epoch"], state_dict["batches"]

    def _order(self) -> dict[str, Any]:
        """What the batches of an epoch depend on."""
        return {
            "training samples": len(self.splits["train"]),
            "data.batch_size": self.config.batch_size,
            "data.bucket_pool": self.config.bucket_pool,
            "seed": self.seed,
            "trainer.devices": self._trainer.world_size,
            "trainer.truncate_steps": self.truncate_steps,
        }

    @property
    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None
        return self.trainer

    def _load(self) -> tuple[DataSpec, dict[str, Samples]]:
        if self._prepared is None:
            self._prepared = self.load()
        return self._prepared


def build_data(config: DataConfig, seed: int) -> SequenceDataModule:
    """The DataModule that a config names."""
    data = build(config, seed)
    assert isinstance(data, SequenceDataModule)
    return data


def _leave_signals(worker: int) -> None:
    """Terminals and SLURM send signals to loaders' workers, too, which a run needs to come to an end."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    # To ignore this one as well would have a process that leaves its workers to Python wait for ever.
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(20))
