"""Time and memory of training, measured on a few steps that are taken as a run takes them."""

import math
import os
import re
import time
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from unroll.batch import SequenceBatch
from unroll.config import root
from unroll.config.components import OptimizerConfig
from unroll.config.registry import build, from_dict
from unroll.cost.few_batches import LARGEST_BATCH_REPEATS, FewBatches
from unroll.cost.memory import kept_bytes, size_of
from unroll.data.module import build_data
from unroll.models.base import SequenceModel, build_model
from unroll.training.bare_trainer import bare_trainer, quiet
from unroll.training.callbacks import StepSeeds
from unroll.training.settle import settle
from unroll.training.usage import peak_resident_bytes, resident_bytes

TIMING_SECONDS = 20.0
"""After this time no further round of the sampled batches begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What training costs with one config.

    Attributes:
        epochs: how many the run takes at most.
        batches, steps: their numbers in an epoch. There are more steps where batches are cut along time.
        longest: the length of the longest sequence of the largest batch.
        batch_seconds: the mean time of a batch, loading included; NaN where memory did not suffice.
        memory_bytes: weights, gradients, the optimizer's state and everything else by which training makes
            the process grow; infinite where memory did not suffice.
        counted_bytes: the part of it that tensors take which are held, or kept for the backward pass. It is
            counted on one sequence and on two. None with checkpointing, and where memory did not suffice.
        program_bytes: what the process took before training: the program and the data.
    """

    epochs: int
    batches: int
    steps: int
    longest: int
    batch_seconds: float
    memory_bytes: float
    counted_bytes: int | None
    program_bytes: int


def measure(values: dict[str, Any]) -> Measured:
    """Train a few steps with a checked config. The process must be new, or memory is measured wrongly.

    Raises:
        InputError: the data are not what the config says, or the model cannot be trained as configured.
    """
    config = root.load(values)
    torch.set_num_threads(config.trainer.threads or len(os.sched_getaffinity(0)))
    torch.manual_seed(config.seed)
    data = build_data(config.data, config.seed)
    config = settle(values, data).config
    assert config.trainer.max_epochs is not None
    cut = config.trainer.truncate_steps
    few = FewBatches(data, cut, config.trainer.limit_train_batches)
    watch = _Watch(few)
    counted = None
    scheduler = from_dict("scheduler", {"name": "constant"})
    if cut is not None:
        with torch.device("meta"):  # without memory for the weights
            build_model(config.model, data.spec, config.optimizer, scheduler).require_truncatable(cut)
    try:
        model = build_model(config.model, data.spec, config.optimizer, scheduler)
        if model.hparams["model"].get("checkpoint_steps", 0) == 0:
            counted = _counted_bytes(model, config.optimizer, few)
        _train(config, model, few, watch)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not re.search("memory|alloc", str(error)):
            raise
        watch.memory_bytes = math.inf
    return Measured(
        epochs=config.trainer.max_epochs,
        batches=len(few.batches),
        steps=sum(map(few.steps, few.batches)),
        longest=max(map(few.length, few.largest)),
        batch_seconds=watch.batch_seconds(),
        memory_bytes=watch.memory_bytes,
        counted_bytes=counted,
        program_bytes=watch.program_bytes,
    )


def _train(config: root.TrainConfig, model: SequenceModel, few: FewBatches, watch: pl.Callback) -> None:
    with quiet():
        trainer = bare_trainer(
            accelerator=config.trainer.accelerator.value,
            precision=config.trainer.precision,
            max_epochs=1,
            gradient_clip_val=config.trainer.gradient_clip or None,
            accumulate_grad_batches=config.trainer.accumulate,
            limit_val_batches=0,
            callbacks=[StepSeeds(config.seed), watch],
        )
        trainer.fit(model, few, few)  # without validation data, which it does not read, Lightning warns


class _Watch(pl.Callback):
    """Notes the time and the memory after every training step."""

    def __init__(self, few: FewBatches) -> None:
        self.few = few
        self.ends = few.ends()
        self.times: list[float] = []
        self.program_bytes = 0
        self.memory_bytes: float = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        on_gpu = pl_module.device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize(pl_module.device)
        self.times.append(time.perf_counter())
        if len(self.times) == self.ends[0]:  # warmed up: everything that training loads is loaded
            self.program_bytes = resident_bytes() - (0 if on_gpu else _held_bytes(trainer, pl_module))
        if on_gpu:
            self.memory_bytes = torch.cuda.max_memory_allocated(pl_module.device)
        else:
            self.memory_bytes = peak_resident_bytes() - self.program_bytes
        first_round = self.ends[LARGEST_BATCH_REPEATS + len(self.few.group_sizes)]
        if len(self.times) >= first_round and self.times[-1] - self.times[0] > TIMING_SECONDS:
            trainer.should_stop = True

    def batch_seconds(self) -> float:
        """The mean over the epoch. Every batch of a group is taken to last as long as the sampled one."""
        if math.isinf(self.memory_bytes):
            return math.nan
        done = [self.times[end - 1] for end in self.ends if end <= len(self.times)]
        seconds = np.diff(done)[LARGEST_BATCH_REPEATS:]
        number = len(self.few.group_sizes)
        medians = [np.median(seconds[start::number]) for start in range(number)]
        return float(np.average(medians, weights=self.few.group_sizes))


def _held_bytes(trainer: pl.Trainer, model: pl.LightningModule) -> int:
    """Weights, gradients and the optimizer's state."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    states = [value for state in trainer.optimizers[0].state.values() for value in state.values()]
    return size_of([*model.parameters(), *gradients, *(each for each in states if isinstance(each, Tensor))])


def _counted_bytes(model: SequenceModel, optimizer_config: OptimizerConfig, few: FewBatches) -> int:
    """Weights, gradients, optimizer state, and what autograd keeps, which grows linearly in sequences."""
    weight = nn.Parameter(torch.zeros(1000))
    weight.grad = torch.zeros(1000)
    optimizer = build(optimizer_config, [weight])
    optimizer.step()
    state = size_of(value for value in optimizer.state[weight].values() if value.numel() == weight.numel())
    longest = max(few.largest, key=few.length)

    def kept(batch: SequenceBatch) -> int:
        tensors = [each for each in (batch.inputs, batch.targets) if each is not None]
        return kept_bytes(lambda: model.loss(batch), [*model.parameters(), *tensors])

    one, two = (kept(few.first_segment([longest] * number)) for number in (1, 2))
    weights = size_of(model.parameters())
    held = 2 * weights + weights * state // size_of([weight])
    return held + one + (two - one) * (len(few.largest) - 1)
