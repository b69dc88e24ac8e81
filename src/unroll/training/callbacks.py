"""Callbacks around the steps of a run: repeatable randomness, the metrics in checkpoints, throughput."""

import time
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from unroll.batch import SequenceBatch

CHECKPOINT_METRICS = "metrics"
"""The key under which a checkpoint holds the metrics of its validation."""


class StepSeeds(pl.Callback):
    """Seeds torch with f(seed, step, rank) before every training step, validation and test.

    So dropout and sampling do not depend on earlier random numbers, nor on where a run was resumed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @property
    def state_key(self) -> str:
        return "StepSeeds"

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._seed(trainer, trainer.fit_loop.total_batch_idx + 1)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seed(trainer, trainer.global_step)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seed(trainer, trainer.global_step)

    def _seed(self, trainer: pl.Trainer, step: int) -> None:
        seed = int(np.random.SeedSequence([self.seed, step, trainer.global_rank]).generate_state(1)[0])
        # torch.manual_seed does the same, but takes 0.4 ms to look for absent devices.
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.manual_seed_all(seed)


class KeepMetrics(pl.Callback):
    """Puts the metrics of the last validation into checkpoints."""

    @property
    def state_key(self) -> str:
        return "KeepMetrics"

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        known = trainer.callback_metrics.items()
        checkpoint[CHECKPOINT_METRICS] = {
            name: float(value) for name, value in known if name.startswith("valid/")
        }


class Throughput(pl.Callback):
    """Counts sequences, tokens (input and target steps, without padding) and the seconds of training.

    The seconds leave out validation and the writing of checkpoints. Each process counts its own.
    """

    def __init__(self) -> None:
        self.sequences = 0
        self.tokens = torch.tensor(0)
        self.seconds = 0.0
        self._since: float | None = None
        self._trainer: pl.Trainer | None = None

    @property
    def state_key(self) -> str:
        return "Throughput"

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._trainer = trainer

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._since is None:
            self._since = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: SequenceBatch,
        batch_idx: int,
    ) -> None:
        self.sequences += (
            0 if batch.start else len(batch)
        )  # a sequence counts once, even if it is cut into segments
        self.tokens = self.tokens + _tokens(batch).detach()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def state_dict(self) -> dict[str, Any]:
        self._stop()
        sequences, tokens = self._of_all()
        return {"sequences": sequences, "tokens": tokens, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
        # The saved counts are those of all processes.
        if self._trainer is None or self._trainer.is_global_zero:
            self.sequences, self.tokens = state_dict["sequences"], torch.tensor(state_dict["tokens"])

    def results(self) -> dict[str, float]:
        """Seconds, and sequences and tokens per second. All processes must call it together."""
        seconds = max(self.seconds, 1e-9)
        sequences, tokens = self._of_all()
        return {
            "train_seconds": round(self.seconds, 2),
            "sequences_per_second": round(sequences / seconds, 1),
            "tokens_per_second": round(tokens / seconds, 1),
        }

    def _of_all(self) -> list[int]:
        """The numbers of sequences and tokens, summed over all processes."""
        mine = [self.sequences, int(self.tokens)]
        if self._trainer is None or self._trainer.world_size == 1:
            return mine
        strategy = self._trainer.strategy
        counts = torch.tensor(mine, device=strategy.root_device)
        summed: list[int] = strategy.reduce(counts, reduce_op="sum").tolist()
        return summed

    def _stop(self) -> None:
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None


def _tokens(batch: SequenceBatch) -> Tensor:
    tokens = batch.lengths.sum()
    return tokens if batch.target_lengths is None else tokens + batch.target_lengths.sum()
