"""Base configs of the components, and the choices that several of them share. Imports nothing heavy."""

import dataclasses
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from omegaconf import MISSING

from unroll.config.defaults import USUAL_DROPOUT, USUAL_RATE
from unroll.config.registry import Config, require
from unroll.spec import Signature

HIDDEN_SIZE_LIMIT = 10**6
LAYER_LIMIT = 128
WORKER_LIMIT = 256
DATA_NUMBER_LIMIT = 10**7
"""More is a slip, or was made up to fill the memory. The last is of every whole number in a data config."""

SEQUENCE_LIMIT = 2 * 10**6
DRAWN_NUMBER_LIMIT = 5 * 10**8
KIND_LIMIT = 10**5
"""The sequences of data that are drawn, the numbers in them, and their classes or different tokens. All lie
in the memory, and are drawn before a run begins."""


class Initialization(Enum):
    """How weights start.

    Uniform is U(±1/√H), as in torch.nn. Xavier is U(±√(6/(n+m))) (Glorot & Bengio 2010). Orthogonal is Xavier
    for the inputs, and orthogonal matrices for the state (Saxe et al. 2014), which keep its length.
    """

    uniform = "uniform"
    xavier = "xavier"
    orthogonal = "orthogonal"


@dataclass(kw_only=True, slots=True)
class CellConfig(Config):
    """Base config of a recurrent cell."""

    def unit(self) -> int:
        """The hidden size has to be a multiple of this."""
        return 1


@dataclass(kw_only=True, slots=True)
class HeadedCellConfig(CellConfig):
    """Base config of a cell of several heads.

    Attributes:
        heads: parts of the hidden size, each with a memory of its own
    """

    heads: int = 4

    def __post_init__(self) -> None:
        require(self, "heads", 1 <= self.heads <= HIDDEN_SIZE_LIMIT, f"in [1, {HIDDEN_SIZE_LIMIT:,}]")

    def unit(self) -> int:
        return self.heads


@dataclass(kw_only=True, slots=True)
class GatedCellConfig(CellConfig):
    """Base config of a cell whose gates stand in one matrix, with a choice of how they start.

    Attributes:
        initialization: how weights start; uniform is U(±1/√H) as in torch.nn, xavier U(±√(6/(n+m))),
            orthogonal the same with orthogonal matrices for the state
    """

    initialization: Initialization = Initialization.uniform


class Norm(Enum):
    """What a block norms each step by: its root mean square, its mean and deviation, or nothing."""

    rms = "rms"
    layer = "layer"
    none = "none"


@dataclass(kw_only=True, slots=True)
class BlockConfig(Config):
    """Base config of what stands around a cell in a stack of layers."""


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
    """Base config of an optimizer.

    Attributes:
        lr: the learning rate, which the schedule changes; null is 0.001, or for files by size and cell
        weight_decay: how strongly weights are drawn to zero; 0 is not at all
    """

    lr: float | None = MISSING
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        require(self, "lr", self.lr is None or 0 < self.lr <= 1e6, "a positive number up to 1e6, or null")
        require(self, "weight_decay", self.weight_decay >= 0, "zero or a positive number")

    @property
    def rate(self) -> float:
        """The learning rate. (A run has put a number in place of null.)"""
        return USUAL_RATE if self.lr is None else self.lr


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
    """How a recurrence runs over time.

    loop: step by step. fused: as a kernel. scan: as a parallel scan. chunk: in chunks of steps. parallel: all
    steps at once, as nothing of a step waits for the one before.
    """

    auto = "auto"
    loop = "loop"
    fused = "fused"
    scan = "scan"
    chunk = "chunk"
    parallel = "parallel"


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

    `execution`, `padding` and `checkpoint_steps` say how the recurrence runs; its result is the same.

    Attributes:
        cell: the recurrent cell
        block: what stands around the cell in each layer
        layers: the cells of the layers from below, if they differ, as [mlstm,mlstm,slstm] or, with settings,
            [mlstm,"slstm:heads=2"]; they take the place of cell and num_layers
        hidden_size: units of the recurrence, in each layer and direction
        parameters: instead of hidden_size, the most trainable parameters that the model may have, embeddings
            and output layer included; the largest hidden_size is chosen that keeps to it
        state_size: instead of hidden_size, the most numbers that the state of a sequence may have, over all
            layers; the largest hidden_size is chosen that keeps to it
        num_layers: cells above one another; 0 is no recurrence
        bidirectional: whether a second recurrence reads the steps backwards
        dropout: share of values that are dropped in training, between layers and where the model says; null
            is 0, or a number that follows from the data
        initial_state: the state before the first step of every sequence
        execution: how the recurrence runs over time; auto is the fastest way that the cell has
        padding: how padded batches stay exact; frozen has padding change no state, packed leaves it out,
            masked zeroes it afterwards
        checkpoint_steps: of every so many steps only the state is kept and the rest computed again, in less
            memory; -1 is √T steps, 0 is off
    """

    cell: CellConfig = MISSING
    block: BlockConfig = MISSING
    layers: list[str] = field(default_factory=list)
    hidden_size: int = 128
    parameters: int | None = None
    state_size: int | None = None
    num_layers: int = 1
    bidirectional: bool = False
    dropout: float | None = None
    initial_state: InitialState = InitialState.zeros
    execution: Execution = Execution.auto
    padding: Padding = Padding.auto
    checkpoint_steps: int = 0

    def __post_init__(self) -> None:
        if self.layers:
            self.num_layers = len(self.layers)
        require(self, "hidden_size", self.hidden_size >= 1, "1 or more")
        require(self, "num_layers", self.num_layers >= 0, "0 (no recurrence) or more")
        require(self, "hidden_size", self.hidden_size <= HIDDEN_SIZE_LIMIT, f"{HIDDEN_SIZE_LIMIT:,} or less")
        require(self, "num_layers", self.num_layers <= LAYER_LIMIT, f"{LAYER_LIMIT} or less")
        for key in ("parameters", "state_size"):
            if (budget := getattr(self, key)) is not None:
                require(self, key, 1 <= budget <= 10**12, "in [1, 10^12], or null")
                require(self, key, self.num_layers > 0, "null with num_layers=0 (no recurrence to size)")
        one = self.parameters is None or self.state_size is None
        require(self, "state_size", one, "null with parameters: one of them sizes the model")
        require(self, "dropout", self.dropout is None or 0 <= self.dropout < 1, "in [0, 1), or null")
        require(self, "checkpoint_steps", self.checkpoint_steps >= -1, "-1 (√T), 0 (off) or more")

    @property
    def dropped(self) -> float:
        """The share that is dropped. (A run has put a number in place of null.)"""
        return USUAL_DROPOUT if self.dropout is None else self.dropout


@dataclass(kw_only=True, slots=True)
class DataConfig(Config):
    """Base config of a data set.

    Attributes:
        batch_size: sequences in a batch; null is by the number of training sequences
        bucket_pool: batches' worth of sequences that are sorted by length together; 0 is no bucketing
        workers: processes that load; 0 is the run's own
    """

    batch_size: int | None = 64
    bucket_pool: int = 50
    workers: int = 0

    def __post_init__(self) -> None:
        require(self, "batch_size", self.batch_size is None or self.batch_size >= 1, "1 or more, or null")
        require(self, "bucket_pool", self.bucket_pool >= 0, "0 (no bucketing) or more")
        require(self, "workers", 0 <= self.workers <= WORKER_LIMIT, f"0 or more, up to {WORKER_LIMIT}")
        for name in (each.name for each in dataclasses.fields(self)):
            value = getattr(self, name)
            if isinstance(value, int) and not name.endswith("seed"):
                require(self, name, value <= DATA_NUMBER_LIMIT, f"{DATA_NUMBER_LIMIT:,} or less")

    def signature(self) -> Signature:
        """The kind of data that this config makes."""
        raise NotImplementedError

    def require_ready(self) -> None:
        """Raise an `InputError` where something is lacking that a run needs, such as a file to read."""
