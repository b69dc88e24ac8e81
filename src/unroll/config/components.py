"""Base configs of the components, and the choices that several of them share. Imports nothing heavy."""

import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from omegaconf import MISSING

from unroll.config.registry import Config, require
from unroll.spec import Signature

MOST_UNITS = 10**6
MOST_LAYERS = 128
MOST_WORKERS = 256
MOST_OF_DATA = 10**7
"""More is a slip, or was made up to fill the memory."""


class Initialization(Enum):
    """How weights start: U(±1/√H) as in torch.nn, or U(±√(6/(n+m))) (Glorot & Bengio 2010)."""

    uniform = "uniform"
    xavier = "xavier"


@dataclass(kw_only=True, slots=True)
class CellConfig(Config):
    """Base config of a recurrent cell."""

    initialization: Initialization = Initialization.uniform


@dataclass(kw_only=True, slots=True)
class EmbeddingConfig(Config):
    """Base config of what turns tokens into vectors."""


@dataclass(kw_only=True, slots=True)
class FrontEndConfig(Config):
    """Base config of what happens to each time step before the recurrence."""


@dataclass(kw_only=True, slots=True)
class AttentionConfig(Config):
    """Base config of an attention mechanism."""


@dataclass(kw_only=True, slots=True)
class OptimizerConfig(Config):
    """Base config of an optimizer."""

    lr: float = MISSING
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        require(self, "lr", 0 < self.lr <= 1e6, "a positive number up to 1e6")
        require(self, "weight_decay", self.weight_decay >= 0, "zero or a positive number")


@dataclass(kw_only=True, slots=True)
class SchedulerConfig(Config):
    """Base config of a learning-rate schedule."""


@dataclass(kw_only=True, slots=True)
class ModelConfig(Config):
    """Base config of an architecture variant. `accepts` lists the kinds of data that it can learn from."""

    accepts: ClassVar[tuple[Signature, ...]] = ()


class InitialState(Enum):
    """The state before the first step, where none is given."""

    zeros = "zeros"
    learned = "learned"


class Execution(Enum):
    """How a recurrence runs over time: step by step, as a fused kernel or as a parallel scan."""

    auto = "auto"
    loop = "loop"
    fused = "fused"
    scan = "scan"


class Padding(Enum):
    """How a recurrence stays exact on padded batches.

    frozen: the padded batch runs whole, and what comes after a sequence's end changes nothing. packed:
    `pack_padded_sequence`. masked: the padded batch runs whole, and the padding is zeroed afterwards.
    """

    auto = "auto"
    frozen = "frozen"
    packed = "packed"
    masked = "masked"


class Pooling(Enum):
    """Which steps the one output of a sequence is made of."""

    last = "last"
    mean = "mean"
    max = "max"


@dataclass(kw_only=True, slots=True)
class RecurrentConfig(ModelConfig):
    """Base config of a model with a recurrence.

    `num_layers` cells above one another (0: no recurrence), in one direction or both; `dropout` acts between
    layers and wherever the model says. `initial_state` is that of every sequence. `execution` and `padding`
    say how the recurrence runs; its result is the same. So is it with `checkpoint_steps`, for which the
    backward pass computes every segment of so many steps anew (-1: √T of them; 0: none), in less memory.

    `parameters`, if given, takes the place of `hidden_size`: the largest is chosen with which the model has
    at most so many trainable parameters, embeddings and output layer included.
    """

    cell: CellConfig = MISSING
    hidden_size: int = 128
    parameters: int | None = None
    num_layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    initial_state: InitialState = InitialState.zeros
    execution: Execution = Execution.auto
    padding: Padding = Padding.auto
    checkpoint_steps: int = 0

    def __post_init__(self) -> None:
        require(self, "hidden_size", self.hidden_size >= 1, "1 or more")
        require(self, "num_layers", self.num_layers >= 0, "0 (no recurrence) or more")
        require(self, "hidden_size", self.hidden_size <= MOST_UNITS, f"{MOST_UNITS:,} or less")
        require(self, "num_layers", self.num_layers <= MOST_LAYERS, f"{MOST_LAYERS} or less")
        if self.parameters is not None:
            require(self, "parameters", 1 <= self.parameters <= 10**12, "in [1, 10^12], or null")
            require(self, "parameters", self.num_layers > 0, "null with num_layers=0 (no recurrence to size)")
        require(self, "dropout", 0 <= self.dropout < 1, "in [0, 1)")
        require(self, "checkpoint_steps", self.checkpoint_steps >= -1, "-1 (√T), 0 (off) or more")


@dataclass(kw_only=True, slots=True)
class DataConfig(Config):
    """Base config of a data set.

    `batch_size` counts sequences. `bucket_pool` is the number of batches' worth of sequences that are
    sorted by length together (0: no bucketing). `workers` is the number of loader processes.
    """

    batch_size: int = 64
    bucket_pool: int = 50
    workers: int = 0

    def __post_init__(self) -> None:
        require(self, "batch_size", self.batch_size >= 1, "1 or more")
        require(self, "bucket_pool", self.bucket_pool >= 0, "0 (no bucketing) or more")
        require(self, "workers", 0 <= self.workers <= MOST_WORKERS, f"0 or more, up to {MOST_WORKERS}")
        for name in (field.name for field in dataclasses.fields(self)):
            value = getattr(self, name)
            if isinstance(value, int) and not name.endswith("seed"):
                require(self, name, value <= MOST_OF_DATA, f"{MOST_OF_DATA:,} or less")

    def signature(self) -> Signature:
        """The kind of data that this config makes."""
        raise NotImplementedError

    def require_ready(self) -> None:
        """Raise an `InputError` where something is lacking that a run needs, such as a file to read."""
