"""One-to-many: the state that a context makes, decoding from it, and learning."""

import pytest
import torch
from helpers import any_batch, any_spec, single, small_model
from recurrences import WITH_GATES, close, label, strange

from unroll.nn.cells.base import is_learnable
from unroll.nn.search import Method, SearchConfig
from unroll.spec import END, PAD, START, Alignment, Kind

SPEC = any_spec(
    Kind.CONTEXT, Kind.TOKENS, Alignment.UNALIGNED, input_mean=(1.0, 2.0, 3.0), input_std=(2.0, 1.0, 0.5)
)


def contexts(rows, seed=0):
    return any_batch(SPEC, [1] * rows, seed)


@pytest.mark.parametrize("cell", WITH_GATES, ids=label)
@pytest.mark.parametrize("layers", [1, 2])
def test_first_scores_by_hand(cell, layers):
    """tanh(W context + b) for every layer, then one step of the cells on START."""
    model = small_model("one_to_many", SPEC, cell=cell, num_layers=layers)
    batch = contexts(3)
    context = (batch.inputs[:, 0] - torch.tensor(SPEC.input_mean)) / torch.tensor(SPEC.input_std)
    state = [
        tuple(torch.tanh(p.weight @ context.mT + p.bias[:, None]).mT for p in row) for row in model.project
    ]
    x = model.decoder.embedding(torch.tensor([START] * 3))
    for layer in range(layers):
        x = model.decoder.recurrence.cells[layer].step(x, state[layer])[0]
    combine, output = model.decoder.combine, model.decoder.output
    expected = output(torch.tanh(combine(x)))
    close(model(batch)[0][:, 0], expected)


@pytest.mark.parametrize("method", Method)
def test_each_sequence_stops_at_its_own_end(method):
    model = small_model("one_to_many", SPEC, hidden_size=16)
    with torch.no_grad():
        for weight in (model.decoder.output.weight, model.project[0][0].weight):
            weight *= 20  # sure of itself, and so of different lengths
    batch = contexts(40)
    decoded = model.decode(batch, SearchConfig(method=method, max_length=12))
    lengths = decoded.lengths.tolist()
    assert len(set(lengths)) > 1
    for row, length in zip(decoded.tokens.tolist(), lengths, strict=True):
        assert PAD not in row[:length]
        assert END not in row
        assert row[length:] == [PAD] * (len(row) - length)


def test_a_sequence_in_a_batch_is_decoded_as_alone():
    model = small_model("one_to_many", SPEC)
    batch = contexts(6)
    together = model.decode(batch).to_lists()
    for row in range(6):
        assert model.decode(single(batch, row)).to_lists() == [together[row]]


@strange
def test_a_context_makes_states_of_any_shape(cell):
    """All but counts, each value by a row of its own; and everything learns."""
    model = small_model("one_to_many", SPEC, cell=cell, num_layers=2)
    batch = contexts(6)
    _, state = model.encode(batch)
    context = (batch.inputs[:, 0] - torch.tensor(SPEC.input_mean)) / torch.tensor(SPEC.input_std)
    for tensors, layer in zip(state, model.project, strict=True):
        for tensor, made in zip([t for t in tensors if is_learnable(t)], layer, strict=True):
            numbers = torch.tanh(context @ made.weight.mT + made.bias)
            close(
                torch.view_as_real(tensor).flatten(1) if tensor.is_complex() else tensor.flatten(1), numbers
            )
    model.loss(batch).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    together = model.decode(batch).to_lists()
    for row in range(6):
        assert model.decode(single(batch, row)).to_lists() == [together[row]]


def test_contexts_are_learned_by_heart():
    model = small_model("one_to_many", SPEC, hidden_size=32).train()
    batch = contexts(8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        logits, _ = model(batch)
        loss = model._cross_entropy(batch, logits)
        loss.backward()
        optimizer.step()
    model.eval()
    targets = [
        target[: length - 1]
        for target, length in zip(batch.targets.tolist(), batch.target_lengths.tolist(), strict=True)
    ]
    assert model.decode(batch).to_lists() == targets
    assert model.decode(batch, SearchConfig(method=Method.beam)).to_lists() == targets
