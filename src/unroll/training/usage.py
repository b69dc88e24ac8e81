"""What a run needs of its machine: memory in training, and time in use."""

import os
import resource
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from unroll.batch import SequenceBatch


def resident_bytes() -> int:
    """The memory of this process now; its peak where the system does not tell."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_resident_bytes()
    return int(statm.read_text().split()[1]) * resource.getpagesize()


def peak_resident_bytes() -> int:
    """The peak of the memory of this process. Linux counts in kilobytes, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if os.uname().sysname == "Darwin" else peak * 1024


class Usage(pl.Callback):
    """Measures the memory by which training makes this process grow, and how fast the test sequences went.

    On a GPU the memory is the peak of what its tensors took. The time in use is that of the test's batches:
    the forward pass and the metrics, without loading.
    """

    def __init__(self) -> None:
        self.memory_bytes = 0
        self.sequences = 0
        self.seconds = 0.0
        self._before = 0
        self._since = 0.0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)
        self._before = resident_bytes()

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if pl_module.device.type == "cuda":
            self.memory_bytes = torch.cuda.max_memory_allocated(pl_module.device)
        else:
            self.memory_bytes = max(0, peak_resident_bytes() - self._before)

    def on_test_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: SequenceBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._since = _now(pl_module)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: SequenceBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.seconds += _now(pl_module) - self._since
        self.sequences += len(batch)

    def results(self) -> dict[str, float]:
        """The bytes of memory, and the test sequences per second, of this process."""
        return {
            "memory_bytes": self.memory_bytes,
            "test_sequences_per_second": round(self.sequences / max(self.seconds, 1e-9), 1),
        }


def _now(module: pl.LightningModule) -> float:
    """The time at which the device has done what it was asked."""
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)
    return time.perf_counter()
