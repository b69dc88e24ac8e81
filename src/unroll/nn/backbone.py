"""What most models share: from a batch to a vector for each step."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from omegaconf import MISSING
from torch import Tensor, nn

from unroll.batch import SequenceBatch
from unroll.config.components import EmbeddingConfig, FrontEndConfig, InitialState, RecurrentConfig
from unroll.config.layers import cells_of
from unroll.config.registry import build
from unroll.nn.cells.base import State
from unroll.nn.embeddings.base import Embedding
from unroll.nn.front_ends.base import FrontEnd
from unroll.nn.recurrence import Recurrence
from unroll.nn.scaling import Scaling
from unroll.nn.window_scaling import WindowScaling
from unroll.spec import DataSpec, ForecastScaling, Kind


@dataclass(kw_only=True, slots=True)
class BackboneConfig(RecurrentConfig):
    """Base config of a model that reads its inputs with a backbone.

    Attributes:
        embedding: what turns tokens into vectors; values need none
        front_end: what happens to each step before the recurrence
    """

    embedding: EmbeddingConfig = MISSING
    front_end: FrontEndConfig = MISSING


class Backbone(nn.Module):
    """Tokens are embedded and values scaled; then the front end, dropout, and the recurrence."""

    def __init__(self, config: BackboneConfig, spec: DataSpec) -> None:
        super().__init__()
        self.reads_tokens = spec.signature.inputs is Kind.TOKENS
        self.embedding: Embedding | None = None
        self.window = None if spec.scaling is ForecastScaling.training else WindowScaling(spec)
        if self.reads_tokens:
            self.embedding = build(config.embedding, spec)
            size = self.embedding.output_size
        else:
            self.scaling = Scaling.of_inputs(spec)
            size = spec.input_size if self.window is None else self.window.output_size
        self.front_end: FrontEnd = build(config.front_end, size, spec.length)
        self.dropout = config.dropped
        self.recurrence = build_recurrence(config, self.front_end.output_size)
        self.output_size = self.recurrence.output_size

    def forward(
        self, batch: SequenceBatch, state: list[State] | None = None
    ) -> tuple[Float[Tensor, "batch time directions_hidden"], list[State]]:
        """Outputs of every step, zero on padding, and the recurrence's final states.

        `state` is the recurrence's initial one, instead of its own.
        """
        x = self.embedding(batch.inputs, batch.characters) if self.embedding else self.scaling(batch.inputs)
        if self.window is not None:
            x = self.window(x, batch.lengths)
        x = F.dropout(self.front_end(x, batch.lengths), self.dropout, self.training)
        outputs, final = self.recurrence(x, state, batch.lengths)
        return outputs, final


def build_recurrence(config: RecurrentConfig, input_size: int, *, decoder: bool = False) -> Recurrence:
    """The recurrence that a model's config describes.

    That of a `decoder` runs forwards, and always starts from a state that it is given.
    """
    return Recurrence(
        config.cell,
        input_size,
        config.hidden_size,
        block=config.block,
        layers=cells_of(config),
        bidirectional=config.bidirectional and not decoder,
        dropout=config.dropped,
        initial_state=InitialState.zeros if decoder else config.initial_state,
        execution=config.execution,
        padding=config.padding,
        checkpoint_steps=config.checkpoint_steps,
    )
