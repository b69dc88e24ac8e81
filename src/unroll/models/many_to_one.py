"""Many-to-one: a class, labels or values for each sequence."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from unroll.batch import SequenceBatch
from unroll.config.components import Pooling
from unroll.config.registry import builds, register
from unroll.models.pointwise import PointwiseModel
from unroll.models.values_config import ValuesConfig, quantile_levels
from unroll.nn.backbone import Backbone
from unroll.nn.cells.base import State
from unroll.nn.pooling import pool
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("model", "many_to_one")
@dataclass(kw_only=True, slots=True)
class ManyToOneConfig(ValuesConfig):
    """Config of the many-to-one model.

    Attributes:
        dropout: share of values that are dropped in training, before the recurrence, between its layers and
            before the output; null is 0, or 0.4 for the classes of texts in a file of at most 20,000
        pooling: which steps the output is made of; the last valid one, or the mean or maximum of all valid
            ones
    """

    accepts: ClassVar[tuple[Signature, ...]] = tuple(
        Signature(inputs, targets, Alignment.SEQUENCE)
        for inputs in (Kind.CONTINUOUS, Kind.TOKENS)
        for targets in (Kind.CLASSES, Kind.LABELS, Kind.CONTINUOUS)
    )

    name: str = "many_to_one"
    pooling: Pooling = Pooling.last


@builds(ManyToOneConfig)
class ManyToOne(PointwiseModel):
    """Front end, recurrence, pooling, linear."""

    def __init__(self, config: ManyToOneConfig, spec: DataSpec) -> None:
        super().__init__(config, spec, quantile_levels(config, spec), linear=config.linear)
        self.config = config
        self.backbone = Backbone(config, spec)
        self.dropout = nn.Dropout(config.dropped)
        self.output = nn.Linear(self.backbone.output_size, self.target.output_size)

    def forward(
        self, batch: SequenceBatch, state: list[State] | None = None
    ) -> Float[Tensor, "batch outputs"]:
        """Logits or scaled values. `state` replaces the initial state of the recurrence."""
        outputs, _ = self.backbone(batch, state)
        pooled = pool(outputs, batch.lengths, self.config.pooling, self.backbone.recurrence.directions)
        return self.placed(self.output(self.dropout(pooled)), batch)
