"""The root config: what it holds."""

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from unroll.config import registry
from unroll.config.components import DataConfig, ModelConfig, OptimizerConfig, SchedulerConfig
from unroll.config.registry import require
from unroll.config.sweep import SweepConfig


class Accelerator(Enum):
    """What to compute on."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class LoggerKind(Enum):
    """Where metrics go: W&B and metrics.csv, metrics.csv alone, or nowhere."""

    wandb = "wandb"
    csv = "csv"
    none = "none"


class LoggerMode(Enum):
    """Whether W&B writes to its local folder alone or also to its server."""

    offline = "offline"
    online = "online"


class NonFinite(Enum):
    """What to do with a step of training whose loss or gradient is NaN or infinite: end the run, or leave
    the step out."""

    stop = "stop"
    skip = "skip"


class Profiler(Enum):
    """What is timed: nothing, Lightning's hooks, or every operation."""

    none = "none"
    simple = "simple"
    pytorch = "pytorch"


MINUTE_LIMIT = 365 * 24 * 60
THREAD_LIMIT = 1024
"""More is a slip."""

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true")


@dataclass(kw_only=True, slots=True)
class TrainerConfig:
    """Config of Lightning's Trainer.

    Attributes:
        accelerator: what to compute on; auto is a GPU if there is one
        devices: how many of them, each with a process of its own; auto is all; on each node
        num_nodes: machines that share the work; torchrun or srun starts the processes on them
        strategy: how several devices share the work; auto or ddp
        precision: 32-true, 16-mixed, bf16-mixed, bf16-true or 64-true
        max_epochs: passes over the training data; null is until it no longer gets better: as many as suit the
            size of the data, early_stopping.patience and max_minutes where they are null, and a falling rate
            where the schedule is auto
        max_steps: steps of the optimizer; -1 is no limit
        max_minutes: stops in time for a deadline; null is none, or an hour where max_epochs is null
        gradient_clip: bound on the gradient's norm; 0 is none
        accumulate: batches whose gradients make one step of the optimizer
        truncate_steps: cuts training batches along time into segments of so many steps, each a batch of its
            own; the state is carried over, gradients are not; null is off
        validate_every: epochs from one validation to the next; 0.25 is four validations an epoch; null is 1,
            or by the size of the data where max_epochs is null
        checkpoint_every_steps: steps after which a run is saved, besides after every validation; null is
            never
        checkpoint_every_minutes: minutes after which a run is saved, besides after every validation; null is
            never
        log_every: steps from one row of metrics to the next; null is 50, or fewer so that each validation
            has one
        log_gradients_every: steps of the optimizer from one record to the next of how far the loss's gradient
            reaches back in time, in gradients.csv and as a picture; null is off
        threads: threads of the CPU; null is as many as it has cores
        limit_train_batches: training batches of an epoch, at most; null is all
        limit_valid_batches: batches of a validation, at most; null is all
        limit_test_batches: batches of the test, at most; null is all
        deterministic: whether a GPU, too, gives the same bits every time; slower
        nonfinite: at a step whose loss or gradient is NaN or infinite, stop the run or skip the step
        detect_anomaly: whether to find the operation that made a NaN; slow
        profiler: what is timed; simple is Lightning's hooks, pytorch every operation
        progress_bar: whether a bar shows how far an epoch is
    """

    accelerator: Accelerator = Accelerator.auto
    devices: str = "1"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    max_epochs: int | None = None
    max_steps: int = -1
    max_minutes: float | None = None
    gradient_clip: float = 1.0
    accumulate: int = 1
    truncate_steps: int | None = None
    validate_every: float | None = None
    checkpoint_every_steps: int | None = None
    checkpoint_every_minutes: float | None = 10.0
    log_every: int | None = None
    log_gradients_every: int | None = None
    threads: int | None = 1
    limit_train_batches: int | None = None
    limit_valid_batches: int | None = None
    limit_test_batches: int | None = None
    deterministic: bool = False
    nonfinite: NonFinite = NonFinite.stop
    detect_anomaly: bool = False
    profiler: Profiler = Profiler.none
    progress_bar: bool = True

    def __post_init__(self) -> None:
        require(self, "precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        require(
            self, "devices", re.fullmatch(r"auto|[1-9]\d*", self.devices) is not None, "auto or 1 or more"
        )
        require(self, "num_nodes", self.num_nodes >= 1, "1 or more")
        require(self, "strategy", self.strategy in ("auto", "ddp"), "auto or ddp")
        require(self, "max_steps", self.max_steps >= -1, "-1 (no limit) or more")
        minutes = self.max_minutes
        in_time = minutes is None or 0 < minutes <= MINUTE_LIMIT
        require(self, "max_minutes", in_time, f"a positive number up to {MINUTE_LIMIT:,} (a year)")
        require(self, "gradient_clip", self.gradient_clip >= 0, "0 (off) or more")
        require(self, "accumulate", self.accumulate >= 1, "1 or more")
        every = self.validate_every
        often = every is None or 0 < every < 1 or (every >= 1 and every == int(every))
        require(self, "validate_every", often, "a whole number, a share of an epoch in (0, 1), or null")
        minutes = self.checkpoint_every_minutes
        require(
            self, "checkpoint_every_minutes", minutes is None or minutes > 0, "a positive number, or null"
        )
        limits = ("limit_train_batches", "limit_valid_batches", "limit_test_batches")
        lengths = ("max_epochs", "log_every", "threads", "truncate_steps")
        for key in (*lengths, "checkpoint_every_steps", "log_gradients_every", *limits):
            require(self, key, getattr(self, key) is None or getattr(self, key) >= 1, "1 or more, or null")
        require(self, "threads", (self.threads or 1) <= THREAD_LIMIT, f"{THREAD_LIMIT} or less")
        # Batches of several processes would differ in their number of segments.
        alone = self.truncate_steps is None or self.devices == "1"
        require(self, "truncate_steps", alone, f"null with trainer.devices={self.devices}; set that to 1")
        alone = self.truncate_steps is None or self.num_nodes == 1
        require(self, "truncate_steps", alone, f"null with trainer.num_nodes={self.num_nodes}; set that to 1")


@dataclass(kw_only=True, slots=True)
class LoggerConfig:
    """Config of logging.

    Attributes:
        kind: where metrics go; wandb is W&B and metrics.csv, csv metrics.csv alone, none nowhere
        mode: whether W&B writes to its local folder alone, or also to its server
        project: the project in W&B
        name: the run's name on the dashboard; null is its folder's, and in a sweep what varies
        group: the runs beside it on the dashboard; null is none, and in a sweep its name
        tags: labels of the run on the dashboard
        samples: test sequences shown with their predictions
    """

    kind: LoggerKind = LoggerKind.wandb
    mode: LoggerMode = LoggerMode.offline
    project: str = "unroll"
    name: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    samples: int = 8

    def __post_init__(self) -> None:
        require(self, "samples", self.samples >= 1, "1 or more")
        project = re.fullmatch(r"[\w .-]{1,128}", self.project) is not None
        require(self, "project", project, "1 to 128 letters, digits, blanks, '_', '-' and '.'")
        tags = all(re.fullmatch(r"\S(.{,62}\S)?", tag) for tag in self.tags)
        require(self, "tags", tags, "of 1 to 64 characters each")


@dataclass(kw_only=True, slots=True)
class EarlyStoppingConfig:
    """Config of early stopping.

    Attributes:
        patience: validations without improvement of the model's own measure, after which to stop; null is
            never, or 12 where trainer.max_epochs is null
        min_delta: the least change that is an improvement; null is 0, or 0.0005 where trainer.max_epochs is
            null
    """

    patience: int | None = None
    min_delta: float | None = None

    def __post_init__(self) -> None:
        require(self, "patience", self.patience is None or self.patience >= 1, "1 or more, or null")
        require(self, "min_delta", (self.min_delta or 0) >= 0, "0 or more, or null")


@dataclass(kw_only=True, slots=True)
class RefitConfig:
    """Config of a run that trains a model once more, on all of the data. `unroll refit` sets it.

    Attributes:
        run: the run that found out how long to train; null is none, and the run is an ordinary one
        schedule_steps: steps of the optimizer over which the schedule of the learning rate stretches, as many
            as that run had at most; null is the steps of this run
    """

    run: str | None = None
    schedule_steps: int | None = None

    def __post_init__(self) -> None:
        steps = self.schedule_steps
        require(self, "schedule_steps", steps is None or steps >= 1, "1 or more, or null")


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """Config of one run.

    Attributes:
        seed: seed of everything that is random
        run_dir: the run's folder; in a SLURM job its number stands for the time, so that a requeued job finds
            it
        ckpt_path: a checkpoint to go on from
        data: what is learned from
        model: the architecture
        optimizer: how weights are changed
        scheduler: how the learning rate changes over the run
        trainer: how long, on what and how precisely
        logger: where metrics go
        early_stopping: when to end before the last epoch
        refit: whether another run is done once more, on all of the data
        sweep: what is tried, where one command makes several runs
    """

    seed: int = 1
    run_dir: str = MISSING
    ckpt_path: str | None = None
    data: DataConfig = MISSING
    model: ModelConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    scheduler: SchedulerConfig = MISSING
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    refit: RefitConfig = field(default_factory=RefitConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)

    def __post_init__(self) -> None:
        require(self, "seed", 0 <= self.seed < 2**32, "in [0, 2^32)")
        require(self, "run_dir", Path(self.run_dir).name != "", "the name of a folder")


def load(values: dict[str, Any]) -> TrainConfig:
    """The typed root config from plain values."""
    config = registry.typed(TrainConfig, values)
    assert isinstance(config, TrainConfig)
    return config
