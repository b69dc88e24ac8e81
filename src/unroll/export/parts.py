"""Splits a model into programs, from tensors to tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unroll.batch import SequenceBatch, mask_from_lengths
from unroll.models.base import SequenceModel
from unroll.models.pointwise import PointwiseModel
from unroll.models.targets import ValueTarget
from unroll.models.token_generator import TokenGenerator
from unroll.nn.attention.none import NoAttention
from unroll.nn.cells.base import Cell, State
from unroll.nn.embeddings.base import Embedding
from unroll.nn.encoder import Memory
from unroll.nn.front_ends.feature_conv import FeatureConv
from unroll.nn.scaling import add_means
from unroll.nn.search import allowed_scores
from unroll.spec import PAD, SPECIAL_TOKENS, START, DataSpec, Kind

ProgramInputs = dict[str, Tensor | dict[str, Tensor]]

MEMORY_TENSORS = ("values", "keys", "mask")
"""The tensors of the encoder that a decoder with attention reads."""


@dataclass(frozen=True, slots=True)
class ModelPart:
    """One program of a model, with inputs to trace it on, and the names of its outputs.

    `free` names the dimensions of each flat input that may have any size.
    """

    name: str
    module: nn.Module
    inputs: ProgramInputs
    free: dict[str, dict[int, str]]
    outputs: list[str]


def model_parts(model: SequenceModel, inputs: dict[str, Tensor]) -> list[ModelPart]:
    """The programs of a model, with these inputs.

    A pointwise model is one program, `model`: it returns probabilities (B, C) or values (B, O), or such rows
    for each step; rows of padding have no meaning. Of values it also returns the quantiles, a last axis, if
    the model has some. A model that writes tokens is two programs: `encoder` reads the inputs,
    `decoder` is one decoding step, and returns log-probabilities (B, V) of the next token and the new state.
    """
    free = {name: {0: "batch"} for name in inputs}
    if "lengths" in inputs:
        free["inputs"][1] = "time"
    if "characters" in inputs:
        free["characters"] |= {1: "time", 2: "letters"}
    if isinstance(model, PointwiseModel):
        written = ["predictions", *(["quantiles"] if model.quantiles else [])]
        return [ModelPart("model", _Whole(model), dict(inputs), free, written)]
    assert isinstance(model, TokenGenerator)
    encoder, decoder = _Encoder(model), _Decoder(model)
    with torch.no_grad():
        memory, state = encoder(**inputs)
    tokens = torch.full((len(next(iter(inputs.values()))),), START)
    written = ["log_probabilities", *(f"new_{name}" for name in state)]
    free_there = {"tokens": {0: "batch"}}
    free_there |= {name: {0: "batch", 1: "time"} for name in memory} | {name: {0: "batch"} for name in state}
    return [
        ModelPart("encoder", encoder, dict(inputs), free, [*memory, *state]),
        ModelPart(
            "decoder", decoder, {"tokens": tokens, "memory": memory, "state": state}, free_there, written
        ),
    ]


def random_inputs(model: SequenceModel, batch: int, time: int) -> dict[str, Tensor]:
    """Random inputs like those of the model's data: `batch` sequences of up to `time` steps.

    There are no `lengths` if all sequences must have the same length.
    """
    spec = model.spec
    if spec.signature.inputs is Kind.CONTEXT:
        return {"context": _values(spec, batch)}
    if any(isinstance(module, FeatureConv) for module in model.modules()):
        return {"inputs": _values(spec, batch, spec.length)}
    lengths = torch.randint(1, time + 1, (batch,))
    lengths[0] = time
    if spec.signature.inputs is Kind.CONTINUOUS:
        return {"inputs": _values(spec, batch, time), "lengths": lengths}
    valid = mask_from_lengths(lengths, time)
    tokens = torch.randint(len(SPECIAL_TOKENS), spec.input_size, (batch, time)).where(valid, PAD)
    inputs = {"inputs": tokens, "lengths": lengths}
    if any(isinstance(module, Embedding) and module.reads_spelling for module in model.modules()):
        letters = torch.randint(len(SPECIAL_TOKENS), len(spec.letters), (batch, time, 4))
        inputs["characters"] = letters.where(valid[..., None], PAD)
    return inputs


def _values(spec: DataSpec, *shape: int) -> Tensor:
    values = torch.randn(*shape, spec.input_size)
    if not spec.input_mean:
        return values
    values = values * torch.tensor(spec.input_std)
    return add_means(values, spec.input_mean) if spec.centered else values + torch.tensor(spec.input_mean)


class _Whole(nn.Module):
    """Computes predictions from inputs, and quantiles where the model writes some."""

    def __init__(self, model: PointwiseModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, characters: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        model = self.model
        outputs = model(_batch(_as_in_batches(inputs, model.spec), lengths, characters))
        predictions = model.target.predict(outputs)
        if not isinstance(model.target, ValueTarget) or model.quantiles is None:
            return predictions
        return predictions, model.target.predict_quantiles(outputs)


class _Encoder(nn.Module):
    """Computes from inputs what the decoder attends to, and the state that it starts from."""

    def __init__(self, model: TokenGenerator) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs: Tensor | None = None, lengths: Tensor | None = None, context: Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if context is not None:
            inputs = _as_in_batches(context[:, None], self.model.spec)
        assert inputs is not None
        memory, state = self.model.encode(_batch(inputs, lengths, None))
        attends = not isinstance(self.model.decoder.attention, NoAttention)
        seen = {name: getattr(memory, name) for name in MEMORY_TENSORS} if attends else {}
        return seen, _flat(self.model, state)


class _Decoder(nn.Module):
    """Computes from the last token, memory and state the next log-probabilities (B, V) and the new state."""

    def __init__(self, model: TokenGenerator) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: Tensor, memory: dict[str, Tensor], state: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        states = [tuple(state[name] for name in names) for names in _state_names(self.model)]
        nothing = tokens[:, None, None]  # never read
        seen = Memory(**memory) if memory else Memory(nothing, nothing, nothing)
        logits, new, _ = self.model.decoder.step(tokens[:, None], states, seen)
        return allowed_scores(logits[:, 0]).log_softmax(dim=-1), _flat(self.model, new)


def _state_names(model: TokenGenerator) -> list[list[str]]:
    """For each layer, the names of the state's tensors with the number of the layer added."""
    cells = [cell for cell in model.decoder.recurrence.cells if isinstance(cell, Cell)]
    return [[f"{name}_{layer}" for name in cell.state_shapes] for layer, cell in enumerate(cells)]


def _flat(model: TokenGenerator, states: list[State]) -> dict[str, Tensor]:
    named = zip(_state_names(model), states, strict=True)
    return {name: tensor for names, state in named for name, tensor in zip(names, state, strict=True)}


def _as_in_batches(inputs: Tensor, spec: DataSpec) -> Tensor:
    """Inputs in the units of the data as a model reads them: centered ones are given as float64."""
    if not spec.centered:
        return inputs
    return (inputs - torch.tensor(spec.input_mean, dtype=torch.double)).float()


def _batch(inputs: Tensor, lengths: Tensor | None, characters: Tensor | None) -> SequenceBatch:
    if lengths is None:
        lengths = inputs.new_full((inputs.shape[0],), inputs.shape[1], dtype=torch.long)
    return SequenceBatch(index=lengths, inputs=inputs, lengths=lengths, characters=characters)
