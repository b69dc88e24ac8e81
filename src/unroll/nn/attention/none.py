"""No attention: the decoder has only the state that it started from."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from unroll.config.components import AttentionConfig
from unroll.config.registry import builds, register
from unroll.nn.attention.base import Attention, Context


@register("model/attention", "none")
@dataclass(kw_only=True, slots=True)
class NoAttentionConfig(AttentionConfig):
    """Config of a decoder that sees nothing but the encoder's final state."""

    name: str = "none"


@builds(NoAttentionConfig)
class NoAttention(Attention):
    """An empty context: the decoder has only the state it started from."""

    def __init__(self, config: NoAttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.context_size = 0

    def keys(self, memory: Float[Tensor, "batch time memory"]) -> Float[Tensor, "batch time key"]:
        return memory[..., :0]

    def scores(
        self, query: Float[Tensor, "batch queries hidden"], keys: Float[Tensor, "batch time key"]
    ) -> Float[Tensor, "batch queries time"]:
        return query.new_zeros(query.shape[0], query.shape[1], keys.shape[1])

    def forward(
        self,
        query: Float[Tensor, "batch queries hidden"],
        memory: Float[Tensor, "batch time memory"],
        keys: Float[Tensor, "batch time key"],
        mask: Bool[Tensor, "batch time"],
    ) -> Context:
        return query[..., :0], None
