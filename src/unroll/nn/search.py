"""From a decoder that scores the next token to whole sequences: greedy, sampled and beam search.

All three decode a batch at once. Each sequence stops at its own END token and is padded after it; one
that has not ended after `max_length` tokens is cut there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unroll.config.registry import require
from unroll.nn.cells.base import State
from unroll.spec import END, MOST_TARGET_STEPS, PAD, START, UNKNOWN

Step = Callable[
    [Int[Tensor, "batch hypotheses"], list[State]],
    tuple[Float[Tensor, "batch hypotheses vocabulary"], list[State]],
]
"""Scores (logits) of the next token given the last one and the state, and the new state."""


Start = Int[Tensor, " batch"]
"""The first token of each source, as a rule START; with as many rows as each tensor of the state."""


class Method(Enum):
    """How the next token is chosen."""

    greedy = "greedy"
    sample = "sample"
    beam = "beam"


@dataclass(kw_only=True, slots=True)
class SearchConfig:
    """How outputs are decoded.

    Attributes:
        method: how the next token is chosen; greedy takes the likeliest, sample draws, beam keeps several
            hypotheses
        max_length: tokens and END, at most; null is one and a half times the data's longest target
        temperature: of sampling; below 1, likely tokens are drawn more often
        top_k: how many of the likeliest tokens sampling draws from; 0 is all
        beam_size: how many hypotheses beam search keeps
        length_penalty: to beam search, n tokens are worth their log-probability / n^length_penalty
    """

    method: Method = Method.greedy
    max_length: int | None = None
    temperature: float = 1.0
    top_k: int = 0
    beam_size: int = 5
    length_penalty: float = 0.5

    def __post_init__(self) -> None:
        require(self, "max_length", self.max_length is None or self.max_length >= 1, "1 or more")
        require(
            self, "max_length", (self.max_length or 1) <= MOST_TARGET_STEPS, f"{MOST_TARGET_STEPS:,} or less"
        )
        require(self, "temperature", 1e-3 <= self.temperature <= 1e3, "in [0.001, 1000]")
        require(self, "top_k", self.top_k >= 0, "0 (all tokens) or more")
        require(self, "beam_size", self.beam_size >= 1, "1 or more")
        require(self, "beam_size", self.beam_size <= 1000, "1000 or less")
        require(self, "length_penalty", 0 <= self.length_penalty <= 1e3, "in [0, 1000]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded sequences without START and END, padded; and log p(sequence | source), END included."""

    tokens: Int[Tensor, "batch time"]
    lengths: Int[Tensor, " batch"]
    log_probability: Float[Tensor, " batch"]

    def to_lists(self) -> list[list[int]]:
        """The token ids of each sequence, without padding."""
        return [row[:n] for row, n in zip(self.tokens.tolist(), self.lengths.tolist(), strict=True)]


def search(
    config: SearchConfig,
    step: Step,
    start: Start,
    state: list[State],
    max_length: int,
    generator: torch.Generator | None = None,
) -> Decoded:
    """Decode from `state` by the method that `config` names. `generator` makes sampling repeatable."""
    match config.method:
        case Method.greedy:
            return greedy_search(step, start, state, max_length)
        case Method.sample:
            return sample(step, start, state, max_length, config.temperature, config.top_k, generator)
        case Method.beam:
            return beam_search(step, start, state, max_length, config.beam_size, config.length_penalty)


def greedy_search(step: Step, start: Start, state: list[State], max_length: int) -> Decoded:
    """Take the most probable token at every step."""
    return _decode(step, start, state, max_length, lambda logits: logits.argmax(dim=-1))


def sample(
    step: Step,
    start: Start,
    state: list[State],
    max_length: int,
    temperature: float = 1.0,
    top_k: int = 0,
    generator: torch.Generator | None = None,
) -> Decoded:
    """Draw every token from softmax(logits / temperature), restricted to the `top_k` best if not 0."""

    def draw(logits: Float[Tensor, "batch vocabulary"]) -> Int[Tensor, " batch"]:
        if 0 < top_k < logits.shape[-1]:
            kept, ids = logits.topk(top_k, dim=-1)
            choice = torch.multinomial((kept / temperature).softmax(dim=-1), 1, generator=generator)
            return ids.gather(-1, choice).squeeze(-1)
        probabilities = (logits / temperature).softmax(dim=-1)
        return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)

    return _decode(step, start, state, max_length, draw)


def _decode(
    step: Step,
    start: Start,
    state: list[State],
    max_length: int,
    choose: Callable[[Float[Tensor, "batch vocabulary"]], Int[Tensor, " batch"]],
) -> Decoded:
    """One hypothesis for each source, extended by the token that `choose` picks until all have ended."""
    token = start
    ended = torch.zeros_like(token, dtype=torch.bool)
    total = torch.zeros_like(token, dtype=torch.float32)
    tokens = []
    for _ in range(max_length):
        logits, state = step(token[:, None], state)
        logits = allowed_scores(logits[:, 0])
        chosen = choose(logits)
        gain = logits.log_softmax(dim=-1).gather(-1, chosen[:, None]).squeeze(-1)
        total = torch.where(ended, total, total + gain)
        token = torch.where(ended, PAD, chosen)
        tokens.append(token)
        ended = ended | (token == END)
        if ended.all():
            break
    return _strip(torch.stack(tokens, dim=1), total)


def beam_search(
    step: Step,
    start: Start,
    state: list[State],
    max_length: int,
    beam_size: int,
    length_penalty: float = 0.5,
) -> Decoded:
    """Keep the `beam_size` best hypotheses of each source by log-probability / length^length_penalty.

    A hypothesis that has ended stays in the beam and must go on defending its place: one that ended too
    early is pushed out by a longer one that is better per token. A source is done when its whole beam has
    ended. A beam of 1 is greedy search; a beam as wide as all sequences is exhaustive search.
    """
    batch, device = len(start), start.device
    state = _select(state, torch.arange(batch, device=device).repeat_interleave(beam_size))
    tokens = torch.full((batch, beam_size, 0), PAD, device=device)
    last = start[:, None].expand(-1, beam_size)
    ended = torch.zeros(batch, beam_size, dtype=torch.bool, device=device)
    lengths = torch.zeros(batch, beam_size, dtype=torch.long, device=device)
    # All hypotheses start equal, so only the first may be extended at first.
    total = torch.full((batch, beam_size), float("-inf"), dtype=torch.float32, device=device)
    total[:, 0] = 0.0
    first_of_source = torch.arange(batch, device=device)[:, None] * beam_size

    for _ in range(max_length):
        logits, state = step(last, state)
        gains = allowed_scores(logits).log_softmax(dim=-1)
        # An ended hypothesis has one continuation: PAD, at no cost.
        stay = torch.full_like(gains[0, 0], float("-inf"))
        stay[PAD] = 0.0
        totals = total[..., None] + torch.where(ended[..., None], stay, gains)
        new_lengths = lengths + ~ended
        worth = totals / new_lengths[..., None].float() ** length_penalty
        best = worth.flatten(1).topk(beam_size, dim=1).indices
        parent, last = best // gains.shape[-1], best % gains.shape[-1]

        total = totals.flatten(1).gather(1, best)
        lengths = new_lengths.gather(1, parent)
        tokens = torch.cat([tokens.gather(1, parent[..., None].expand_as(tokens)), last[..., None]], dim=-1)
        ended = ended.gather(1, parent) | (last == END)
        state = _select(state, (first_of_source + parent).flatten())
        if ended.all():
            break

    # A hypothesis that was cut at max_length is chosen only where none has ended. (In a beam wider than
    # there are sequences, some hypotheses are impossible ones.)
    ended &= total.isfinite()
    worth = total / lengths.float() ** length_penalty
    winner = worth.masked_fill(~ended & ended.any(dim=1, keepdim=True), float("-inf")).argmax(dim=1)
    rows = torch.arange(batch, device=device)
    return _strip(tokens[rows, winner], total[rows, winner])


def _select(state: list[State], index: Int[Tensor, " rows"]) -> list[State]:
    return [tuple(tensor.index_select(0, index) for tensor in cell) for cell in state]


def allowed_scores(logits: Float[Tensor, "*batch vocabulary"]) -> Float[Tensor, "*batch vocabulary"]:
    """In float32, and never PAD, START or UNKNOWN: no answer holds them."""
    forbidden = torch.tensor([PAD, START, UNKNOWN], device=logits.device)
    return logits.float().index_fill(-1, forbidden, float("-inf"))


def _strip(tokens: Int[Tensor, "batch time"], log_probability: Float[Tensor, " batch"]) -> Decoded:
    """Turn END into PAD and count what stands before it."""
    tokens = tokens.masked_fill(tokens == END, PAD)
    return Decoded(tokens, (tokens != PAD).sum(dim=1), log_probability)
