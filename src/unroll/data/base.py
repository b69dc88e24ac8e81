"""What every data set shares: three splits, batches of near-equal lengths, a spec."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Dataset

from unroll.batch import SequenceBatch
from unroll.components import DataConfig
from unroll.data.batching import BucketedBatches
from unroll.data.collate import Sample, collate
from unroll.data.inputs import Inputs, read_lines, text_inputs
from unroll.errors import InputError
from unroll.registry import build, to_dict
from unroll.spec import DataSpec, Kind


class Samples(Dataset[Sample]):
    """A list of samples as a torch Dataset. Their `lengths` are counted unless they are given."""

    def __init__(self, samples: Sequence[Sample], lengths: list[int] | None = None) -> None:
        self.samples = samples
        self.lengths = [len(sample.inputs) for sample in samples] if lengths is None else lengths

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


class SequenceDataModule(pl.LightningDataModule, ABC):
    """A LightningDataModule that yields `SequenceBatch`es from a train, a valid and a test split.

    The splits and their order depend on the config and the seed alone, not on workers or processes.
    `spec` and `splits` are made once, when first asked for.

    Attributes:
        carried: how many missing values were filled with the one before, once the data are loaded.
    """

    carried: int = 0

    def __init__(self, config: DataConfig, seed: int) -> None:
        super().__init__()
        self.config = config
        self.seed = seed
        self.save_hyperparameters({"data": to_dict(config), "seed": seed}, logger=False)
        self._prepared: tuple[DataSpec, dict[str, Samples]] | None = None

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

    def train_dataloader(self) -> DataLoader[SequenceBatch]:
        return self.loader("train", shuffle=True)

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
        return DataLoader(
            samples,  # type: ignore[arg-type]  # collate_fn makes batches of them
            batch_sampler=batches,
            collate_fn=partial(collate, signature=self.spec.signature),
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
            pin_memory=torch.cuda.is_available(),
            # Making an iterator draws a number; from a generator of its own it leaves the global one alone.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def _load(self) -> tuple[DataSpec, dict[str, Samples]]:
        if self._prepared is None:
            self._prepared = self.load()
        return self._prepared


def build_data(config: DataConfig, seed: int) -> SequenceDataModule:
    """The DataModule that a config names."""
    data = build(config, seed)
    assert isinstance(data, SequenceDataModule)
    return data
