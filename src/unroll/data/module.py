"""The base of all data sets: a spec, three splits, batches of similar lengths, and the place in training."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from unroll.batch import SequenceBatch
from unroll.config import defaults
from unroll.config.components import DataConfig
from unroll.config.registry import build, to_dict
from unroll.data.buckets import BucketedBatches
from unroll.data.collate import Sample, collate
from unroll.data.loaders import make_loader, stop_workers
from unroll.data.prediction.inputs import PredictionInputs, text_inputs
from unroll.data.prediction.refused import Refused
from unroll.data.readers.lines import read_lines
from unroll.data.samples import Samples, Steps, joined
from unroll.data.segments import SegmentedBatches
from unroll.errors import InputError
from unroll.spec import MOST_TARGET_STEPS, DataSpec, Kind

MOST_NAMES = 2 * 10**6
"""A checkpoint with more would be taken for a forged one."""

PROCESSES = "trainer.devices × trainer.num_nodes"
"""What a checkpoint calls trainer.devices: the number of processes on all nodes."""


class SequenceDataModule(pl.LightningDataModule, ABC):
    """A LightningDataModule that yields `SequenceBatch`es from a train, a valid and a test split.

    The splits and their order depend only on the config and the seed, not on workers or processes.
    `spec` and `splits` are made once, when first asked for.

    Attributes:
        carried: how many missing values were filled, once the data are loaded.
        step_name: how far the steps of series are apart, in words, once they are loaded; empty without times.
        notes: what a person should know of how the data were read, a line each, once they are loaded.
        truncate_steps: training batches are cut along time into segments of so many steps (None: whole).
        everything: whether the sequences to validate and to test on are trained on, too.
    """

    carried: int = 0
    step_name: str = ""
    notes: Sequence[str] = ()
    truncate_steps: int | None = None
    everything: bool = False

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
        """Make or read the data: the spec, and the splits "train", "valid" and "test"."""

    def read_inputs(
        self, path: Path, spec: DataSpec, *, unknown: bool = False, refused: Refused | None = None
    ) -> PredictionInputs:
        """Inputs to predict for, from a file without targets. The data of this data set are not read.

        `spec` is that of the data the model was trained on; `unknown` says whether the model accepts tokens
        that those data lack. Here a file holds tokens or contexts, one sequence a line. Sequences that cannot
        be read are left out and noted in `refused`, if it is given.

        Raises:
            InputError: what is wrong with the file, by line; or this data set reads no files.
        """
        if spec.signature.inputs is not Kind.CONTINUOUS:
            return text_inputs(read_lines(path), spec, unknown=unknown, refused=refused)
        raise InputError(f"data.name={self.config.name}: this data set cannot read inputs from {path}")

    @property
    def description(self) -> str:
        """The data in a few words, for a person who reads results."""
        return str(self.config.signature())

    def named_steps(self, split: str, index: int) -> Steps | None:
        """What the steps of a sample are called, those of its targets included, where the data say so."""
        return None

    def series_names(self, split: str) -> list[str]:
        """The names of the series that the samples of a split are windows of, by their numbers."""
        return []

    @property
    def overlap(self) -> int:
        """How many sequences next to one another share targets, as windows of a series do; 1 is none."""
        return 1

    @property
    def accepts_unknown(self) -> bool:
        """Whether the training data hold unknown tokens, so that a model learns to read them."""
        return False

    @property
    def spec(self) -> DataSpec:
        """What a model must know of the data."""
        return self._load()[0]

    @property
    def splits(self) -> dict[str, Samples]:
        """The splits by name."""
        return self._load()[1]

    @property
    def batch_size(self) -> int:
        """Sequences in a batch."""
        self._load()
        assert self.config.batch_size is not None
        return self.config.batch_size

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
        """Batches of a split. Several processes of the trainer share the batches."""
        samples = self.splits[split]
        trainer = self.trainer
        batches = BucketedBatches(
            samples.lengths,
            self.batch_size,
            seed=self.seed,
            pool=self.config.bucket_pool,
            shuffle=shuffle,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        if shuffle and self.truncate_steps is None:
            batches.go_on(*self._place)
        loader = make_loader(
            samples,
            batches,
            self.spec.signature,
            workers=self.config.workers,
            seed=self.seed,
            ignore_signals=trainer is not None,
        )
        self._loaders.add(loader)
        return loader

    def stop_workers(self) -> None:
        """End the workers of all loaders. Otherwise the end of this process would wait for them."""
        for loader in self._loaders:
            stop_workers(loader)

    def state_dict(self) -> dict[str, Any]:
        """The place in training: the epoch, and how many of its batches are done."""
        loop = self._trainer.fit_loop
        epoch = loop.epoch_progress.total.started - 1  # type: ignore[attr-defined]
        batches = loop.epoch_loop.batch_progress.current.completed
        if batches == self._trainer.num_training_batches:
            epoch, batches = epoch + 1, 0
        return {"epoch": epoch, "batches": batches, "order": self._order()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at a place. Call this before the loaders are made, because their workers read ahead.

        Raises:
            InputError: the place is in the middle of an epoch, and the batches have changed since.
        """
        if state_dict["batches"]:
            for name, value in self._order().items():
                before = state_dict["order"].get(name)
                if value != before:
                    name = PROCESSES if name == "trainer.devices" else name
                    raise InputError(
                        f"{name}={value}: was {before} in the run to go on from, which is in the middle of "
                        "an epoch: its batches would be others; give what it was"
                    )
        self._place = state_dict["epoch"], state_dict["batches"]

    def _order(self) -> dict[str, Any]:
        """Everything that the batches of an epoch depend on."""
        return {
            "training samples": len(self.splits["train"]),
            "data.batch_size": self.batch_size,
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
            spec, splits = self.load()
            if self.everything:
                splits = {**splits, "train": joined(list(splits.values()))}
            self._prepared = spec, splits
            _require_savable(self._prepared[0], f"data.name={self.config.name}")
            if self.config.batch_size is None:
                size = defaults.batch_size(len(self._prepared[1]["train"]))
                self.config = dataclasses.replace(self.config, batch_size=size)
                self.hparams["data"]["batch_size"] = size
        return self._prepared


def _require_savable(spec: DataSpec, name: str) -> None:
    """Raise an `InputError` where a checkpoint of such data would not be read again."""
    steps = spec.max_target_length
    if steps > MOST_TARGET_STEPS:
        raise InputError(f"{name}: a target has {steps:,} steps; at most {MOST_TARGET_STEPS:,} are learned")
    names = sum(len(value) for value in spec.to_dict().values() if isinstance(value, list))
    if names > MOST_NAMES:
        raise InputError(f"{name}: has {names:,} tokens, classes and names; give {MOST_NAMES:,} at most")


def build_data(
    config: DataConfig, seed: int, *, truncate_steps: int | None = None, everything: bool = False
) -> SequenceDataModule:
    """The DataModule that a config names; its training batches are cut into segments of `truncate_steps`.

    With `everything`, all of its sequences are trained on. What a model must know of the data is still taken
    from the training part alone.
    """
    data = build(config, seed)
    assert isinstance(data, SequenceDataModule)
    data.truncate_steps = truncate_steps
    if everything:
        data.everything = data.hparams["everything"] = True
    return data
