"""One-to-many: a token sequence from one context vector."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from unroll.batch import SequenceBatch
from unroll.config.components import InitialState
from unroll.config.registry import builds, register, require
from unroll.models.token_generator import TokenGenerator, TokenGeneratorConfig
from unroll.nn.attention.none import NoAttention, NoAttentionConfig
from unroll.nn.bridge import ToState
from unroll.nn.cells.base import Cell, State, is_learnable
from unroll.nn.encoder import Memory
from unroll.nn.scaling import Scaling
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("model", "one_to_many")
@dataclass(kw_only=True, slots=True)
class OneToManyConfig(TokenGeneratorConfig):
    """Config of the one-to-many model.

    Attributes:
        bidirectional: false, since tokens are written forwards
        initial_state: zeros, since the context makes the initial state
    """

    accepts: ClassVar[tuple[Signature, ...]] = (Signature(Kind.CONTEXT, Kind.TOKENS, Alignment.UNALIGNED),)

    name: str = "one_to_many"

    def __post_init__(self) -> None:
        TokenGeneratorConfig.__post_init__(self)
        require(self, "bidirectional", not self.bidirectional, "false: tokens are written forwards")
        zeros = self.initial_state is InitialState.zeros
        require(self, "initial_state", zeros, "zeros: the context makes the initial state")


@builds(OneToManyConfig)
class OneToMany(TokenGenerator):
    """The decoder starts from tanh(W context + b), with separate weights for every layer, h and c.

    A cell may use another function than tanh (`Cell.state_from`). State tensors that are not floating-point,
    such as a count of steps, start as in the cell's own initial state.
    """

    def __init__(self, config: OneToManyConfig, spec: DataSpec) -> None:
        attention = NoAttention(NoAttentionConfig(), config.hidden_size, 0)
        super().__init__(config, spec, attention)
        self.scaling = Scaling.of_inputs(spec)
        self.project = nn.ModuleList(
            nn.ModuleList(
                ToState(tensor, torch.zeros(1, spec.input_size)) for tensor in state if is_learnable(tensor)
            )
            for state in self.decoder.recurrence.example_state()
        )

    def encode(self, batch: SequenceBatch) -> tuple[Memory, list[State]]:
        context = self.scaling(batch.inputs[:, 0])
        state: list[State] = []
        recurrence = self.decoder.recurrence
        own = recurrence.initial_state(context)
        for cell, layer, start in zip(recurrence.cells, self.project, own, strict=True):
            assert isinstance(cell, Cell)
            assert isinstance(layer, nn.ModuleList)
            made = iter(layer)
            numbers = tuple(next(made)(context) if is_learnable(tensor) else tensor for tensor in start)
            state.append(cell.state_from(numbers))
        nothing = context.new_zeros(context.shape[0], 1, 0)
        return Memory(nothing, nothing, batch.mask), state
