"""Many-to-many, aligned: a class, labels or values for each step."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from unroll.batch import SequenceBatch
from unroll.config.registry import builds, register
from unroll.errors import InputError
from unroll.models.pointwise import PointwiseModel, Rows
from unroll.models.values_config import ValuesConfig, quantile_levels
from unroll.nn.backbone import Backbone
from unroll.nn.cells.base import State
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("model", "many_to_many")
@dataclass(kw_only=True, slots=True)
class ManyToManyConfig(ValuesConfig):
    """Config of the aligned many-to-many model.

    Attributes:
        bidirectional: whether a second recurrence reads the steps backwards; it sees the future, which is
            right for tagging and refused for forecasting
        dropout: share of values that are dropped in training, before the recurrence, between its layers and
            before the output; null is 0, or 0.4 for the classes of tokens in a file of at most 20,000 texts
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

    def __init__(self, config: ManyToManyConfig, spec: DataSpec) -> None:
        super().__init__(config, spec, quantile_levels(config, spec))
        self.config = config
        self.backbone = Backbone(config, spec)
        if spec.target_inputs:
            self._require_blind()
        self.dropout = nn.Dropout(config.dropped)
        self.output = nn.Linear(self.backbone.output_size, self.target.output_size)
        self.carried_state: list[State] = []
        """The states of the recurrence after the last training segment."""

    def forward(
        self, batch: SequenceBatch, state: list[State] | None = None
    ) -> Float[Tensor, "batch time outputs"]:
        """Logits or scaled values. `state` replaces the initial state of the recurrence."""
        return self._written(self.backbone(batch, state)[0], batch)

    def training_outputs(self, batch: SequenceBatch) -> Float[Tensor, "batch time outputs"]:
        """The outputs of a segment, from the detached state after the previous segment."""
        return self._written(self._hidden(batch), batch)

    def training_rows(self, batch: SequenceBatch) -> Rows:
        """Only steps that count pass the output layer, which costs more than the rest if classes are many."""
        if self.window is not None:  # each step is measured from values of its own
            return super().training_rows(batch)
        rows = self.rows(batch, self._hidden(batch))
        return dataclasses.replace(rows, outputs=self._written(rows.outputs, batch))

    def require_truncatable(self, steps: int) -> None:
        front_end = self.backbone.front_end
        if self.config.bidirectional:
            reason = "model.bidirectional=true reads the whole sequence; set it to false"
        elif front_end.sees_ahead or front_end.sees_behind:
            name = self.config.front_end.name
            reason = f"model.front_end.name={name} sees across the cuts; use none, mlp or time_distributed"
        else:
            return
        raise InputError(f"trainer.truncate_steps={steps}: {reason}")

    def _hidden(self, batch: SequenceBatch) -> Float[Tensor, "batch time hidden"]:
        """What the recurrence puts out in training.

        A segment begins with the detached state after the previous one: truncated backpropagation through
        time (Williams & Peng 1990).
        """
        state = None
        if batch.start:
            state = [tuple(tensor[: len(batch)] for tensor in tensors) for tensors in self.carried_state]
        hidden: Tensor
        hidden, final = self.backbone(batch, state)
        if batch.start is not None:
            # The copies free the outputs of the segment, of which a state may be a view.
            self.carried_state = [tuple(tensor.detach().clone() for tensor in tensors) for tensors in final]
        return hidden

    def _written(
        self, hidden: Float[Tensor, "*rows hidden"], batch: SequenceBatch
    ) -> Float[Tensor, "*rows outputs"]:
        """The outputs of these steps."""
        return self.placed(self.output(self.dropout(hidden)), batch)

    def _require_blind(self) -> None:
        """Refuse settings that read the next input, which is the target of a step."""
        if self.config.bidirectional:
            key, fix = "model.bidirectional=true", "set it to false"
        elif self.backbone.front_end.sees_ahead:
            name = self.config.front_end.name
            key, fix = f"model.front_end.name={name}", "use a causal one (conv: model.front_end.causal=true)"
        else:
            return
        raise InputError(f"{key}: sees the next step, which is the target of these data; {fix}")
