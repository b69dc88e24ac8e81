"""The encoder of a token sequence-to-sequence model."""

from dataclasses import dataclass

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
