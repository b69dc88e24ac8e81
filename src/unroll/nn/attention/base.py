"""Attention of a decoder's states over the encoder's outputs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor, nn

Context = tuple[Float[Tensor, "batch queries context"], Float[Tensor, "batch queries time"] | None]
"""What attention returns: a context vector for every query, and the weights that made it."""


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
