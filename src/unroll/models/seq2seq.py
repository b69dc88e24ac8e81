"""Many-to-many, unaligned: token sequence to token sequence."""

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from unroll.batch import SequenceBatch
from unroll.config.components import AttentionConfig
from unroll.config.registry import build, builds, register
from unroll.models.token_generator import TokenGenerator, TokenGeneratorConfig
from unroll.nn.backbone import build_recurrence
from unroll.nn.bridge import Bridge
from unroll.nn.cells.base import State
from unroll.nn.encoder import Encoder, Memory
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("model", "seq2seq")
@dataclass(kw_only=True, slots=True)
class Seq2SeqConfig(TokenGeneratorConfig):
    """Config of the token sequence-to-sequence model.

    Encoder and decoder have the same cell, `hidden_size` and `num_layers`.

    Attributes:
        bidirectional: whether the encoder reads its input backwards, too; the decoder cannot
        initial_state: the encoder's state before the first step
        attention: how the decoder looks at the encoder's outputs
    """

    accepts: ClassVar[tuple[Signature, ...]] = (Signature(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED),)

    name: str = "seq2seq"
    bidirectional: bool = True
    attention: AttentionConfig = MISSING


@builds(Seq2SeqConfig)
class Seq2Seq(TokenGenerator):
    """Encoder-decoder (Sutskever et al. 2014; Cho et al. 2014) with optional attention."""

    def __init__(self, config: Seq2SeqConfig, spec: DataSpec) -> None:
        recurrence = build_recurrence(config, config.embedding_size)
        query_size = (
            recurrence.output_size // recurrence.directions
        )  # the hidden size of the decoder, which has the same cell
        attention = build(config.attention, query_size, recurrence.output_size)
        super().__init__(config, spec, attention)
        self.encoder = Encoder(spec.input_size, config.embedding_size, recurrence, config.dropped)
        wanted = self.decoder.recurrence.example_state()
        self.bridge = Bridge(recurrence.directions, recurrence.example_state(), wanted)

    def encode(self, batch: SequenceBatch) -> tuple[Memory, list[State]]:
        outputs, final, mask = self.encoder(batch.inputs, batch.lengths)
        return Memory(outputs, self.decoder.attention.keys(outputs), mask), self.bridge(
            final, self.decoder.recurrence
        )
