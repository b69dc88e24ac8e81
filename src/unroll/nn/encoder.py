"""The encoder of a token sequence-to-sequence model, and the bridge from it to the decoder."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.nn.cells.base import State
from unroll.nn.recurrence import Recurrence
from unroll.spec import PAD


@dataclass(frozen=True, slots=True)
class Memory:
    """What a decoder sees of a source: the encoder's outputs, attention's keys to them, the valid steps."""

    values: Float[Tensor, "batch time memory"]
    keys: Float[Tensor, "batch time key"]
    mask: Bool[Tensor, "batch time"]


class Encoder(nn.Module):
    """Embeds tokens and reads them with a recurrence."""

    def __init__(
        self, vocabulary_size: int, embedding_size: int, recurrence: Recurrence, dropout: float
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PAD)
        self.recurrence = recurrence
        self.dropout = dropout

    def forward(
        self, tokens: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch time directions_hidden"], list[State], Bool[Tensor, "batch time"]]:
        """Outputs (zero on padding), the recurrence's final states, and the mask of valid steps."""
        embedded = F.dropout(self.embedding(tokens), self.dropout, self.training)
        outputs, final = self.recurrence(embedded, lengths=lengths)
        return outputs, final, mask_from_lengths(lengths, tokens.shape[1])


class Bridge(nn.Module):
    """Makes the decoder's initial state of the encoder's final one.

    One direction is passed on as it is. Of two, each layer's states are joined and projected:
    tanh(W [forward; backward] + b), with weights of their own for every layer and for h and c.
    """

    def __init__(self, hidden_size: int, num_layers: int, directions: int, state_size: int) -> None:
        super().__init__()
        self.directions = directions
        self.projections = nn.ModuleList(
            nn.ModuleList(nn.Linear(directions * hidden_size, hidden_size) for _ in range(state_size))
            for _ in range(num_layers if directions > 1 else 0)
        )

    def forward(self, final: list[State]) -> list[State]:
        """One state for each layer of the decoder, from one for each layer and direction of the encoder."""
        if self.directions == 1:
            return final
        bridged: list[State] = []
        for layer, projections in enumerate(self.projections):
            assert isinstance(projections, nn.ModuleList)
            per_direction = final[layer * self.directions : (layer + 1) * self.directions]
            joined = [torch.cat(tensors, dim=-1) for tensors in zip(*per_direction, strict=True)]
            bridged.append(
                tuple(torch.tanh(project(x)) for project, x in zip(projections, joined, strict=True))
            )
        return bridged
