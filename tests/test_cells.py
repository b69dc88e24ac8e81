"""Every cell and the recurrence over it: one definition, several ways of running it, the same numbers."""

import pytest
import torch
from conftest import entries
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.nn.recurrence import Recurrence
from unroll.registry import build, from_dict

TORCH = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
CELLS = [{"name": name} for name in entries("model/cell")] + [{"name": "rnn", "nonlinearity": "relu"}]
cells = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join(cell.values()))


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def recurrence(cell, **options):
    return Recurrence(from_dict("model/cell", cell), 3, 4, **options)


def random_state(module, batch):
    return [
        tuple(torch.randn_like(tensor) for tensor in state)
        for state in module.initial_state(torch.empty(batch))
    ]


@cells
def test_sequence_form_equals_step_form(cell):
    module = build(from_dict("model/cell", cell), 3, 4)
    x, lengths = torch.randn(5, 7, 3), torch.tensor([7, 1, 4, 6, 2])
    state = tuple(torch.randn(5, 4) for _ in module.state_names)
    for given_lengths in (None, lengths):
        outputs, final = module.sequence(x, state, given_lengths)
        looped, looped_final = module.loop(x, state, given_lengths)
        valid = torch.arange(7) < (lengths if given_lengths is not None else torch.full((5,), 7))[:, None]
        close(outputs[valid], looped[valid])
        close(final, looped_final)


@cells
def test_state_carried_across_a_split_equals_one_pass(cell):
    module = build(from_dict("model/cell", cell), 3, 4)
    x = torch.randn(2, 9, 3)
    outputs, final = module.sequence(x, module.initial_state(x))
    first, state = module.sequence(x[:, :4], module.initial_state(x))
    second, split_final = module.sequence(x[:, 4:], state)
    close(torch.cat([first, second], dim=1), outputs)
    close(split_final, final)


@cells
@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_torch_with_its_weights(cell, bidirectional):
    if cell["name"] not in TORCH:
        pytest.skip("torch.nn has no such cell")
    options = {"nonlinearity": cell["nonlinearity"]} if "nonlinearity" in cell else {}
    reference = TORCH[cell["name"]](
        3, 4, num_layers=2, bidirectional=bidirectional, batch_first=True, **options
    )
    module = recurrence(cell, num_layers=2, bidirectional=bidirectional)
    with torch.no_grad():
        for own, weights in zip(module.cells, reference.all_weights, strict=True):
            for parameter, weight in zip(own.parameters(), weights, strict=True):
                parameter.copy_(weight)
    x, lengths = torch.randn(4, 6, 3), torch.tensor([2, 6, 1, 5])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, expected_final = reference(packed)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)
    outputs, final = module(x, lengths=lengths)
    close(outputs, expected)
    h = torch.stack([state[0] for state in final])
    close(h, expected_final[0] if isinstance(expected_final, tuple) else expected_final)
    if isinstance(expected_final, tuple):
        close(torch.stack([state[1] for state in final]), expected_final[1])


@cells
@settings(max_examples=10, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    num_layers=st.integers(1, 2),
    bidirectional=st.booleans(),
)
def test_padded_batch_equals_single_sequences(cell, lengths, num_layers, bidirectional):
    """Outputs, final states and gradients, whatever the padding holds."""
    module = recurrence(cell, num_layers=num_layers, bidirectional=bidirectional)
    time = max(lengths) + 1
    x = torch.randn(len(lengths), time, 3, requires_grad=True)
    state = random_state(module, len(lengths))
    outputs, final = module(x, state, torch.tensor(lengths))
    (outputs.square().sum() + sum(t.square().sum() for s in final for t in s)).backward()
    batched = [parameter.grad.clone() for parameter in module.parameters()]

    module.zero_grad()
    for row, length in enumerate(lengths):
        alone = x[row : row + 1, :length].detach().requires_grad_()
        single, single_final = module(alone, [tuple(t[row : row + 1] for t in s) for s in state])
        (single.square().sum() + sum(t.square().sum() for s in single_final for t in s)).backward()
        close(outputs[row, :length], single[0])
        close([[t[row] for t in s] for s in final], [[t[0] for t in s] for s in single_final])
        close(x.grad[row, :length], alone.grad[0])
        assert (outputs[row, length:] == 0).all()
        assert (x.grad[row, length:] == 0).all()
    close(batched, [parameter.grad for parameter in module.parameters()])


@cells
def test_values_in_the_padding_change_nothing_at_all(cell):
    module = recurrence(cell, num_layers=2, bidirectional=True)
    x, lengths = torch.randn(3, 6, 3), torch.tensor([2, 6, 4])
    other = x.clone()
    for row, length in enumerate(lengths):
        other[row, length:] = 1e3
    (outputs, final), (other_outputs, other_final) = (
        module(x, lengths=lengths),
        module(other, lengths=lengths),
    )
    assert torch.equal(outputs, other_outputs)
    assert all(
        torch.equal(a, b) for s, t in zip(final, other_final, strict=True) for a, b in zip(s, t, strict=True)
    )


@cells
def test_gradients_against_finite_differences(cell):
    module = recurrence(cell, bidirectional=True).double()
    x = torch.randn(2, 3, 3, dtype=torch.double, requires_grad=True)
    lengths = torch.tensor([3, 2])
    torch.autograd.gradcheck(lambda x: module(x, lengths=lengths)[0], (x,))


@cells
def test_step_of_the_recurrence_equals_its_sequence(cell):
    module = recurrence(cell, num_layers=2)
    x = torch.randn(2, 5, 3)
    outputs, final = module(x)
    state = module.initial_state(x)
    for t in range(5):
        output, state = module.step(x[:, t], state)
        close(output, outputs[:, t])
    close(state, final)


def test_step_of_a_bidirectional_recurrence_is_refused():
    module = recurrence({"name": "gru"}, bidirectional=True)
    with pytest.raises(ValueError, match="no step form"):
        module.step(torch.randn(1, 3), [])


@cells
def test_xavier_initialisation_bounds_each_gate(cell):
    config = from_dict("model/cell", {**cell, "initialization": "xavier"})
    module = build(config, 50, 70)
    for gate in module.weight_ih.chunk(module.gates):
        assert gate.abs().max().item() == pytest.approx((6 / 120) ** 0.5, rel=0.02)
