"""Many-to-many, unaligned, to values: a sequence of any length to the values of another."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unroll.batch import SequenceBatch
from unroll.config.registry import builds, register, require
from unroll.models.pointwise import PointwiseModel
from unroll.models.targets import ValueTarget
from unroll.models.teacher_forcing import Schedule, TeacherForcingConfig, teacher_forcing_ratio
from unroll.models.values_config import ValuesConfig, quantile_levels
from unroll.nn.backbone import Backbone, build_recurrence
from unroll.nn.bridge import Bridge
from unroll.nn.cells.base import State
from unroll.spec import Alignment, DataSpec, Kind, Signature

OutputSteps = Float[Tensor, "batch time_out outputs"]
ValueSteps = Float[Tensor, "batch time_out values"]


@register("model", "seq2seq_continuous")
@dataclass(kw_only=True, slots=True)
class Seq2SeqContinuousConfig(ValuesConfig):
    """Config of the sequence-to-sequence model of values.

    Encoder and decoder have the same cell, `hidden_size` and `num_layers`.

    Attributes:
        bidirectional: whether the encoder reads its input backwards, too; the decoder cannot
        dropout: share of values that are dropped in training, before the encoder's recurrence, between layers
            and before the output; null is 0
        initial_state: the encoder's state before the first step
        teacher_forcing: how often the decoder in training sees the true previous value
    """

    accepts: ClassVar[tuple[Signature, ...]] = tuple(
        Signature(inputs, Kind.CONTINUOUS, Alignment.UNALIGNED) for inputs in (Kind.CONTINUOUS, Kind.TOKENS)
    )

    name: str = "seq2seq_continuous"
    teacher_forcing: TeacherForcingConfig = field(
        default_factory=lambda: TeacherForcingConfig(schedule=Schedule.linear)
    )

    def __post_init__(self) -> None:
        ValuesConfig.__post_init__(self)
        require(self, "num_layers", self.num_layers >= 1, "1 or more")


@builds(Seq2SeqContinuousConfig)
class Seq2SeqContinuous(PointwiseModel):
    """Encoder-decoder on values.

    The decoder starts from the encoder's final state and a step of zeros. Then it reads its own previous
    output; at some steps of training, teacher forcing gives it the true value. A test gives it no target.
    """

    def __init__(self, config: Seq2SeqContinuousConfig, spec: DataSpec) -> None:
        super().__init__(config, spec, quantile_levels(config, spec), linear=config.linear)
        self.config = config
        self.encoder = Backbone(config, spec)
        encoder = self.encoder.recurrence
        with torch.device("meta"):  # the random weights of the decoder are drawn after those of the bridge
            wanted = build_recurrence(config, spec.target_size, decoder=True).example_state()
        self.bridge = Bridge(encoder.directions, encoder.example_state(), wanted)
        self.decoder = build_recurrence(config, spec.target_size, decoder=True)
        self.dropout = nn.Dropout(config.dropped)
        self.output = nn.Linear(self.decoder.output_size, self.target.output_size)

    def forward(
        self, batch: SequenceBatch, steps: int | None = None, state: list[State] | None = None
    ) -> OutputSteps:
        """Scaled values of `steps` steps, each computed from the previous one.

        `steps` defaults to the length of the batch's targets, or of the longest target of the data. `state`
        replaces the initial state of the encoder.
        """
        if steps is None:
            steps = self.spec.max_target_length if batch.targets is None else batch.targets.shape[1]
        return self.placed(self._decode(batch, steps, None, 0.0, state), batch)

    def training_outputs(self, batch: SequenceBatch) -> OutputSteps:
        """The outputs under teacher forcing.

        The ratio is the probability, drawn for every sequence and step, that the decoder reads the true
        previous value (Bengio et al. 2015). At a ratio of 1 the decoder is one call over all steps.
        """
        assert batch.targets is not None
        assert isinstance(self.target, ValueTarget)
        targets = self.target.scaling(batch.targets)
        if (frame := self.frame(batch)) is not None:
            targets = (targets - frame.origin) / frame.unit
        ratio = teacher_forcing_ratio(self.config.teacher_forcing, self.global_step)
        if ratio < 1:
            return self.placed(self._decode(batch, targets.shape[1], targets, ratio), batch)
        state = self._encode(batch)
        previous = torch.cat([torch.zeros_like(targets[:, :1]), targets[:, :-1]], dim=1)
        hidden, _ = self.decoder(previous, state)
        return self.placed(self.output(self.dropout(hidden)), batch)

    def _encode(self, batch: SequenceBatch, state: list[State] | None = None) -> list[State]:
        _, final = self.encoder(batch, state)
        bridged: list[State] = self.bridge(final, self.decoder)
        return bridged

    def _decode(
        self,
        batch: SequenceBatch,
        steps: int,
        targets: ValueSteps | None,
        ratio: float,
        initial: list[State] | None = None,
    ) -> OutputSteps:
        """The outputs of the network itself, measured from the window as the values are that it reads."""
        state = self._encode(batch, initial)
        linear = self.linear_part(self.frame(batch))
        value = self.output.weight.new_zeros(batch.lengths.shape[0], self.spec.target_size)
        outputs: list[Tensor] = []
        for t in range(steps):
            hidden, state = self.decoder.step(value, state)
            output = self.output(self.dropout(hidden))
            outputs.append(output)
            value = self._value(output)
            if linear is not None:
                value = value + linear[:, t]
            if targets is not None:
                given = torch.rand(len(batch), 1, device=value.device) < ratio
                value = torch.where(given, targets[:, t], value)
        return torch.stack(outputs, dim=1)

    def _value(self, output: Float[Tensor, "batch outputs"]) -> Float[Tensor, "batch values"]:
        """The value that the decoder reads after an output of the network."""
        assert isinstance(self.target, ValueTarget)
        return self.target.point(output if self.quantiles is None else self.quantiles.ordered(output))
