"""The decoder of a token sequence-to-sequence model."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.nn.attention.base import Attention
from unroll.nn.cells.base import State
from unroll.nn.encoder import Memory
from unroll.nn.recurrence import Recurrence
from unroll.spec import PAD

Weights = Float[Tensor, "batch queries time"] | None


class Decoder(nn.Module):
    """Reads the previous tokens with a recurrence, attends to the source, and scores the next token.

    Attention stands after the recurrence, as in Luong et al. 2015: ĥ = tanh(W [h; context] + b). The
    recurrence therefore needs nothing but tokens, and with the whole target given it is one fused call.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrence: Recurrence,
        attention: Attention,
        dropout: float,
    ) -> None:
        super().__init__()
        hidden_size = recurrence.output_size
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PAD)
        self.recurrence = recurrence
        self.attention = attention
        self.combine = nn.Linear(hidden_size + attention.context_size, hidden_size)
        self.output = nn.Linear(hidden_size, vocabulary_size)
        self.dropout = dropout

    def forward(
        self, tokens: Int[Tensor, "batch time_out"], state: list[State], memory: Memory
    ) -> tuple[Float[Tensor, "batch time_out vocabulary"], list[State], Weights]:
        """Scores of the token after each of `tokens`, all steps at once, and the state after the last."""
        embedded = F.dropout(self.embedding(tokens), self.dropout, self.training)
        hidden, state = self.recurrence(embedded, state)
        logits, weights = self._score(hidden, memory)
        return logits, state, weights

    def step(
        self, tokens: Int[Tensor, "batch hypotheses"], state: list[State], memory: Memory
    ) -> tuple[Float[Tensor, "batch hypotheses vocabulary"], list[State], Weights]:
        """One time step of several hypotheses for each source, whose memory they share.

        The states have batch · hypotheses rows. With one hypothesis for each source it agrees
        with `forward` on one token to rounding.
        """
        embedded = F.dropout(self.embedding(tokens.flatten()), self.dropout, self.training)
        hidden, state = self.recurrence.step(embedded, state)
        logits, weights = self._score(hidden.view(*tokens.shape, -1), memory)
        return logits, state, weights

    def _score(
        self, hidden: Float[Tensor, "batch queries hidden"], memory: Memory
    ) -> tuple[Float[Tensor, "batch queries vocabulary"], Weights]:
        context, weights = self.attention(hidden, memory.values, memory.keys, memory.mask)
        combined = torch.tanh(self.combine(torch.cat([hidden, context], dim=-1)))
        return self.output(F.dropout(combined, self.dropout, self.training)), weights
