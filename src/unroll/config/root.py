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


MOST_MINUTES = 365 * 24 * 60
MOST_THREADS = 1024
"""More is a slip."""

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true")


@dataclass(kw_only=True, slots=True)
class TrainerConfig:
    """Config of Lightning's Trainer.

    `devices` is a number or "auto". `max_minutes` stops in time for a deadline (null: none).
    `gradient_clip` bounds the gradient's norm (0: off). `threads` is the number of CPU threads (null: as
    many as cores). `validate_every` counts epochs. Limits (null: none) count batches.

    With `deterministic` a GPU, too, gives the same bits every time (a CPU does in any case).

    A run is saved after every epoch, and after so many steps or minutes within one (null: not).

    `truncate_steps` cuts every training batch along time into segments of so many steps (null: off). Each is
    a step of training, and counts as a batch wherever batches are counted; the recurrence's state is carried
    over from the segment before, but no gradient goes back to it.

    `log_gradients_every` counts optimizer steps (null: off), before which the norm of the loss's gradient
    with respect to the state of every time step is written to gradients.csv and drawn.
    """

    accelerator: Accelerator = Accelerator.auto
    devices: str = "1"
    strategy: str = "auto"
    precision: str = "32-true"
    max_epochs: int = 10
    max_steps: int = -1
    max_minutes: float | None = None
    gradient_clip: float = 1.0
    accumulate: int = 1
    truncate_steps: int | None = None
    validate_every: int = 1
    checkpoint_every_steps: int | None = None
    checkpoint_every_minutes: float | None = 10.0
    log_every: int = 50
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
        require(self, "strategy", self.strategy in ("auto", "ddp"), "auto or ddp")
        require(self, "max_epochs", self.max_epochs >= 1, "1 or more")
        require(self, "max_steps", self.max_steps >= -1, "-1 (no limit) or more")
        minutes = self.max_minutes
        in_time = minutes is None or 0 < minutes <= MOST_MINUTES
        require(self, "max_minutes", in_time, f"a positive number up to {MOST_MINUTES:,} (a year)")
        require(self, "gradient_clip", self.gradient_clip >= 0, "0 (off) or more")
        for key in ("accumulate", "validate_every", "log_every"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        minutes = self.checkpoint_every_minutes
        require(
            self, "checkpoint_every_minutes", minutes is None or minutes > 0, "a positive number, or null"
        )
        limits = ("limit_train_batches", "limit_valid_batches", "limit_test_batches")
        for key in ("threads", "truncate_steps", "checkpoint_every_steps", "log_gradients_every", *limits):
            require(self, key, getattr(self, key) is None or getattr(self, key) >= 1, "1 or more, or null")
        require(self, "threads", (self.threads or 1) <= MOST_THREADS, f"{MOST_THREADS} or less")
        # Batches of several processes would differ in their number of segments.
        alone = self.truncate_steps is None or self.devices == "1"
        require(self, "truncate_steps", alone, f"null with trainer.devices={self.devices}; set that to 1")


@dataclass(kw_only=True, slots=True)
class LoggerConfig:
    """Config of logging. `name` is the run's on the dashboard (null: its folder's; in a sweep: what varies),
    and `group` that of the runs beside it (null: none; in a sweep: its name). `samples` is the number of test
    sequences shown with their predictions."""

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
    """Config of early stopping: after `patience` validations without improvement (null: never)."""

    patience: int | None = None
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        require(self, "patience", self.patience is None or self.patience >= 1, "1 or more, or null")
        require(self, "min_delta", self.min_delta >= 0, "0 or more")


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """Config of one run."""

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
    sweep: SweepConfig = field(default_factory=SweepConfig)

    def __post_init__(self) -> None:
        require(self, "seed", 0 <= self.seed < 2**32, "in [0, 2^32)")
        require(self, "run_dir", Path(self.run_dir).name != "", "the name of a folder")


def load(values: dict[str, Any], *, light: bool = False) -> TrainConfig:
    """The typed root config from plain values; with `light`, without importing torch."""
    config = registry.typed(TrainConfig, values, light=light)
    assert isinstance(config, TrainConfig)
    return config
