"""Additive attention (Bahdanau et al. 2015, arXiv:1409.0473)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unroll.config.components import AttentionConfig
from unroll.config.registry import builds, register
from unroll.nn.attention.base import Attention


@register("model/attention", "additive")
@dataclass(kw_only=True, slots=True)
class AdditiveAttentionConfig(AttentionConfig):
    """Config of additive attention."""

    name: str = "additive"


@builds(AdditiveAttentionConfig)
class AdditiveAttention(Attention):
    """score(q, m) = vᵀ tanh(W q + U m + b) (Bahdanau et al. 2015)."""

    def __init__(self, config: AdditiveAttentionConfig, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.context_size = memory_size
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size)
        self.score = nn.Linear(query_size, 1, bias=False)

    def keys(self, memory: Float[Tensor, "batch time memory"]) -> Float[Tensor, "batch time key"]:
        keys: Tensor = self.key(memory)
        return keys

    def scores(
        self, query: Float[Tensor, "batch queries hidden"], keys: Float[Tensor, "batch time key"]
    ) -> Float[Tensor, "batch queries time"]:
        both = torch.tanh(self.query(query)[:, :, None] + keys[:, None])
        scores: Tensor = self.score(both)
        return scores.squeeze(-1)
