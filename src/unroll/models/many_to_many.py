"""Many-to-many, aligned: a class, labels or values for each step."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from unroll.batch import SequenceBatch
from unroll.components import OptimizerConfig, SchedulerConfig
from unroll.errors import InputError
from unroll.models.pointwise import PointwiseModel
from unroll.nn.backbone import Backbone, BackboneConfig
from unroll.nn.cells.base import State
from unroll.registry import builds, register
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("model", "many_to_many")
@dataclass(kw_only=True, slots=True)
class ManyToManyConfig(BackboneConfig):
    """Config of the aligned many-to-many model.

    `dropout` acts before the recurrence, between its layers and before the output. A `bidirectional` one
    sees the future: right for tagging, refused for forecasting.
    """

    accepts: ClassVar[tuple[Signature, ...]] = tuple(
        Signature(inputs, targets, Alignment.STEP)
        for inputs in (Kind.CONTINUOUS, Kind.TOKENS)
        for targets in (Kind.CLASSES, Kind.LABELS, Kind.CONTINUOUS)
    )

    name: str = "many_to_many"


@builds(ManyToManyConfig)
class ManyToMany(PointwiseModel):
    """Front end, recurrence, and one linear layer for every step."""

    def __init__(
        self, config: ManyToManyConfig, spec: DataSpec, optimizer: OptimizerConfig, scheduler: SchedulerConfig
    ) -> None:
        super().__init__(config, spec, optimizer, scheduler)
        self.config = config
        self.backbone = Backbone(config, spec)
        if spec.target_inputs:
            self._require_blind()
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(self.backbone.output_size, spec.target_size)

    def forward(
        self, batch: SequenceBatch, state: list[State] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        """Logits or scaled values; `state` is the recurrence's initial one, instead of its own."""
        outputs, _ = self.backbone(batch, state)
        logits: Tensor = self.output(self.dropout(outputs))
        return logits

    def _require_blind(self) -> None:
        """Where the target of a step is the next input, refuse what reads that input."""
        if self.config.bidirectional:
            key, fix = "model.bidirectional=true", "set it to false"
        elif self.backbone.front_end.sees_ahead:
            name = self.config.front_end.name
            key, fix = f"model.front_end.name={name}", "take a causal one (conv: model.front_end.causal=true)"
        else:
            return
        raise InputError(f"{key}: sees the next step, which is what these data ask to forecast; {fix}")
