"""Causal self-attention as a cell: its state is a cache of keys and values."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unroll.batch import on_host, remember_on_host
from unroll.config.components import Execution, HeadedCellConfig
from unroll.config.registry import builds, register, require
from unroll.errors import InputError
from unroll.nn.cells.base import Cell, OutputAndState, State
from unroll.nn.cells.buffer import last_steps
from unroll.nn.cells.matrix import size_of_a_head

QUERIES = 128
"""At least so many steps attend at once, where a window is shorter."""


@register("model/cell", "attention")
@dataclass(kw_only=True, slots=True)
class AttentionCellConfig(HeadedCellConfig):
    """Config of self-attention.

    Attributes:
        window: how many steps a step attends to, itself included; the state is as long
        rotary_base: the slowest pair of units turns once in about 6.3 times as many steps
    """

    name: str = "attention"
    window: int | None = 512
    rotary_base: float = 10000.0

    def __post_init__(self) -> None:
        HeadedCellConfig.__post_init__(self)
        if self.window is None:
            raise InputError(
                "window=null: the state would grow with every step, and must be of one size; give a number "
                "of steps, for full attention that of the longest sequence"
            )
        require(self, "window", 2 <= self.window <= 10**6, "in [2, 10^6]")
        require(self, "rotary_base", 1 < self.rotary_base < math.inf, "a number above 1")


@builds(AttentionCellConfig)
class AttentionCell(Cell):
    """o_t = W_o [Σ_s softmax_s(⟨R_t q_t, R_s k_s⟩ / √K) v_s for each head], over `window` steps s up to t.

    q = W_q x, k = W_k x and v = W_v x (Vaswani et al. 2017, arXiv:1706.03762). The rotation R_t turns unit i
    and unit i + K/2 of a head, as a pair, by t · base^(−2i/K), so that a product depends on how far apart two
    steps are (Su et al. 2021, arXiv:2104.09864, which pairs neighbours: the same, with units in another
    order). Where K is odd, the last unit is not turned. Norms and the MLP between attentions are the block's.

    The state holds the turned keys and the values of the last window − 1 steps, oldest first, and the number
    of steps that were read: older places of the cache are empty. Numbers that no step has made, as from a
    context, fill it whole: a learned prefix (Li & Liang 2021, arXiv:2101.00190).

    Raises:
        InputError: the hidden size is no multiple of the heads.
    """

    executions = (Execution.parallel, Execution.loop)

    def __init__(self, config: AttentionCellConfig, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        assert config.window is not None  # which the config refuses
        self.heads, self.window, self.rotary_base = config.heads, config.window, config.rotary_base
        self.head_size = size_of_a_head(hidden_size, config.heads)
        self.query = nn.Linear(input_size, hidden_size, bias=False)
        self.key = nn.Linear(input_size, hidden_size, bias=False)
        self.value = nn.Linear(input_size, hidden_size, bias=False)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        cache = (self.heads, self.window - 1, self.head_size)
        return {"keys": cache, "values": cache, "count": ()}

    def initial_state(self, x: Float[Tensor, "batch ..."]) -> State:
        keys, values, count = super().initial_state(x)
        count = count.long()
        remember_on_host(count, torch.zeros(count.shape, dtype=torch.long))
        return keys, values, count

    def state_from(self, numbers: State) -> State:
        keys, values, count = super().state_from(numbers)
        return keys, values, torch.where(count == 0, self.window - 1, count)

    def step(self, x: Float[Tensor, "batch input"], state: State) -> OutputAndState:
        outputs, state = self._run(x[:, None], state, None, cached=self.window - 1)
        return outputs[:, 0], state

    def sequence(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        return self._run(x, state, lengths, cached=min(self.window - 1, int(on_host(state[2]).max())))

    def _run(
        self,
        x: Float[Tensor, "batch time input"],
        state: State,
        lengths: Int[Tensor, " batch"] | None,
        cached: int,
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """All steps at once. No sequence has more than `cached` steps in the cache.

        Padding follows what is valid, which therefore never attends to it.
        """
        keys, values, count = state
        query, key, value = (
            layer(x).to(layer.weight.dtype).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        steps = count[:, None] + torch.arange(x.shape[1], device=x.device)
        query, key = self._turned(query, steps), self._turned(key, steps)
        keys, values = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        empty = self.window - 1 - cached
        heads = self._attend(query, keys[:, :, empty:], values[:, :, empty:], count, cached)
        outputs = self.output(heads.transpose(1, 2).flatten(2))
        read = x.shape[1] if lengths is None else lengths
        keys, values = (last_steps(each, self.window - 1, lengths, dim=2) for each in (keys, values))
        return outputs, (keys, values, count + read)

    def _attend(
        self,
        query: Float[Tensor, "batch heads time head"],
        keys: Float[Tensor, "batch heads cached_and_time head"],
        values: Float[Tensor, "batch heads cached_and_time head"],
        count: Int[Tensor, " batch"],
        cached: int,
    ) -> Float[Tensor, "batch heads time head"]:
        """What each step reads, as many steps at once as a window has, with the window before them."""
        time = query.shape[2]
        if cached == 0 and time <= self.window:
            return F.scaled_dot_product_attention(query, keys, values, is_causal=True)
        attend = written_out if time == 1 else F.scaled_dot_product_attention
        outputs = []
        size = max(self.window, QUERIES)
        for number, piece in enumerate(torch.split(query, size, dim=2)):
            start = cached + number * size
            first, stop = max(0, start - (self.window - 1)), start + piece.shape[2]
            seen = self._seen(start, first, stop, query)
            if first < cached:
                exists = torch.arange(first, stop, device=query.device) >= cached - count[:, None]
                seen = seen & exists[:, None, None]
            outputs.append(attend(piece, keys[:, :, first:stop], values[:, :, first:stop], attn_mask=seen))
        return torch.cat(outputs, dim=2)

    def _seen(self, start: int, first: int, stop: int, like: Tensor) -> Bool[Tensor, "queries keys"]:
        """Which of the keys from `first` stand in the windows of the steps from `start`, up to `stop`."""
        ago = torch.arange(start, stop, device=like.device)[:, None]
        ago = ago - torch.arange(first, stop, device=like.device)
        return (ago >= 0) & (ago < self.window)

    def _turned(
        self, units: Float[Tensor, "batch heads time head"], steps: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch heads time head"]:
        """R_t of each step: pairs of units turned by angles that grow with the step."""
        half = self.head_size // 2
        dtype = torch.promote_types(units.dtype, torch.float32)
        exponents = torch.arange(half, device=units.device, dtype=dtype) / max(1, half)
        angles = steps[:, None, :, None] * self.rotary_base**-exponents
        cos, sin = torch.cos(angles), torch.sin(angles)
        first, second, rest = torch.split(units, [half, half, self.head_size - 2 * half], dim=-1)
        turned = [first * cos - second * sin, first * sin + second * cos, rest]
        return torch.cat(turned, dim=-1).to(units.dtype)


def written_out(
    query: Float[Tensor, "batch heads queries head"],
    keys: Float[Tensor, "batch heads steps head"],
    values: Float[Tensor, "batch heads steps head"],
    attn_mask: Bool[Tensor, "*batch queries steps"],
) -> Float[Tensor, "batch heads queries head"]:
    """Softmax attention as it is written: the same as torch's, which counts of products leave out."""
    scores = (query @ keys.mT) / math.sqrt(query.shape[-1])
    return scores.masked_fill(~attn_mask, -math.inf).softmax(dim=-1) @ values
