"""Attention of a decoder's states over the encoder's outputs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unroll.components import AttentionConfig
from unroll.registry import builds, register

Context = tuple[Float[Tensor, "batch queries context"], Float[Tensor, "batch queries time"] | None]
"""What attention returns: a context vector for every query, and the weights that made it."""


@register("model/attention", "none")
@dataclass(kw_only=True, slots=True)
class NoAttentionConfig(AttentionConfig):
    """Config of a decoder that sees nothing but the encoder's final state."""

    name: str = "none"


@register("model/attention", "dot")
@dataclass(kw_only=True, slots=True)
class DotAttentionConfig(AttentionConfig):
    """Config of dot attention."""

    name: str = "dot"


@register("model/attention", "additive")
@dataclass(kw_only=True, slots=True)
class AdditiveAttentionConfig(AttentionConfig):
    """Config of additive attention."""

    name: str = "additive"


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """How much each output token attended to each input token: a row of `weights` is an output, its sum 1."""

    inputs: list[str]
    outputs: list[str]
    weights: list[list[float]]


class Attention(nn.Module, ABC):
    """Scores every query against every step of a memory; padding gets no weight."""

    context_size: int

    @abstractmethod
    def keys(self, memory: Float[Tensor, "batch time memory"]) -> Float[Tensor, "batch time key"]:
        """What queries are compared with: computed once for a source, however long its decoding."""

    @abstractmethod
    def scores(
        self, query: Float[Tensor, "batch queries hidden"], keys: Float[Tensor, "batch time key"]
    ) -> Float[Tensor, "batch queries time"]:
        """How well each query matches each step, before the softmax."""

    def forward(
        self,
        query: Float[Tensor, "batch queries hidden"],
        memory: Float[Tensor, "batch time memory"],
        keys: Float[Tensor, "batch time key"],
        mask: Bool[Tensor, "batch time"],
    ) -> Context:
        """The mean of the memory's steps, weighted by the softmax of their scores over the valid ones."""
        scores = self.scores(query, keys).masked_fill(~mask[:, None], float("-inf"))
        weights = scores.softmax(dim=-1)
        return weights @ memory, weights


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
