"""Dot attention (Luong et al. 2015, arXiv:1508.04025)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from unroll.config.components import AttentionConfig
from unroll.config.registry import builds, register
from unroll.nn.attention.base import Attention


@register("model/attention", "dot")
@dataclass(kw_only=True, slots=True)
class DotAttentionConfig(AttentionConfig):
    """Config of dot attention."""

    name: str = "dot"


@builds(DotAttentionConfig)
class DotAttention(Attention):
    """score(q, m) = qᵀ m, or qᵀ W m where their sizes differ (Luong et al. 2015, "dot" and "general")."""

    def __init__(self, config: DotAttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.context_size = memory_size
        same = query_size == memory_size
        self.project = nn.Identity() if same else nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Float[Tensor, "batch time memory"]) -> Float[Tensor, "batch time key"]:
        keys: Tensor = self.project(memory)
        return keys

    def scores(
        self, query: Float[Tensor, "batch queries hidden"], keys: Float[Tensor, "batch time key"]
    ) -> Float[Tensor, "batch queries time"]:
        return query @ keys.mT
