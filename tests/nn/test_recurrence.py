"""The recurrence over every cell: one definition, several ways of running it, the same numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrences import (
    CELLS,
    CLASSIC,
    MODERN,
    close,
    every_way,
    gradients,
    in_every_way,
    label,
    learnable,
    loss_of,
    random_state,
    recurrence,
    strange,
)

from unroll.config.components import Execution, InitialState, Padding
from unroll.errors import InputError
from unroll.nn.cells.base import is_learnable

TORCH = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


@every_way
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_padded_batch_equals_single_sequences(cell, way, data):
    """Outputs, final states and gradients of inputs, initial state and parameters."""
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4), "lengths")
    time = max(lengths) + data.draw(st.integers(0, 2), "steps that no sequence has")
    # The norm of a head divides by what can be small: a sum in another order shows in float32.
    dtypes = [torch.float64] if cell in MODERN else [torch.float32, torch.float64]
    dtype = data.draw(st.sampled_from(dtypes), "dtype")
    module = recurrence(
        cell,
        num_layers=data.draw(st.integers(0, 3), "layers"),
        bidirectional=data.draw(st.booleans(), "bidirectional"),
        **way,
    ).to(dtype)
    x = torch.randn(len(lengths), time, 3, dtype=dtype, requires_grad=True)
    state = random_state(module, len(lengths), dtype)
    outputs, final = module(x, state, torch.tensor(lengths))
    batched = gradients(loss_of(outputs, final), module, x, state)

    total = 0
    for row, length in enumerate(lengths):
        own = [tuple(tensor[row : row + 1] for tensor in tensors) for tensors in state]
        single, single_final = module(x[row : row + 1, :length], own)
        total = total + loss_of(single, single_final)
        close(outputs[row, :length], single[0])
        close([[t[row] for t in s] for s in final], [[t[0] for t in s] for s in single_final])
        assert (outputs[row, length:] == 0).all()
        assert (batched[0][row, length:] == 0).all()
    close(batched, gradients(total, module, x, state))


@every_way
@pytest.mark.parametrize("value", [1e3, 1e30, float("nan"), float("inf")])
def test_values_in_the_padding_change_nothing_at_all(cell, way, value):
    module = recurrence(cell, num_layers=2, bidirectional=True, **way)
    x, lengths = torch.randn(3, 6, 3), torch.tensor([2, 6, 4])
    other = x.clone()
    for row, length in enumerate(lengths):
        other[row, length:] = value
    state = random_state(module, 3)
    results = []
    for inputs in (x.requires_grad_(), other.requires_grad_()):
        outputs, final = module(inputs, state, lengths)
        flat = [tensor for tensors in final for tensor in tensors]
        results.append([outputs, *flat, *gradients(loss_of(outputs, final), module, inputs, state)])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@every_way
def test_a_state_that_would_explode_over_the_padding_does_not_reach_the_gradients(cell, way):
    module = recurrence(cell, **way)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "weight_hh" in name:
                parameter.copy_(3 * torch.eye(4).repeat(len(parameter) // 4, 1))
    x, state = torch.randn(2, 300, 3, requires_grad=True), random_state(module, 2)
    outputs, final = module(x, state, torch.tensor([2, 3]))
    alone = module(x[:1, :2], [tuple(tensor[:1] for tensor in tensors) for tensors in state])[0]
    close(outputs[:1, :2], alone)
    assert all(gradient.isfinite().all() for gradient in gradients(loss_of(outputs, final), module, x, state))


@every_way
def test_gradients_against_finite_differences(cell, way):
    module = recurrence(cell, num_layers=2, bidirectional=True, **way).double()
    x = torch.randn(2, 3, 3, dtype=torch.double, requires_grad=True)
    lengths, quick = torch.tensor([3, 2]), cell in MODERN  # in one direction; test_cells takes all of them
    assert torch.autograd.gradcheck(lambda x: module(x, lengths=lengths)[0], (x,), fast_mode=quick)


@pytest.mark.parametrize("cell", [cell for cell in CLASSIC if cell["name"] in TORCH], ids=label)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("padding", list(Padding))
def test_equals_torch_with_its_weights(cell, bidirectional, padding):
    options = {"nonlinearity": cell["nonlinearity"]} if "nonlinearity" in cell else {}
    reference = TORCH[cell["name"]](
        3, 4, num_layers=2, bidirectional=bidirectional, batch_first=True, **options
    )
    module = recurrence(cell, num_layers=2, bidirectional=bidirectional, padding=padding)
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
    expected_final = expected_final if isinstance(expected_final, tuple) else (expected_final,)
    close([torch.stack(tensors) for tensors in zip(*final, strict=True)], list(expected_final))
    close(module(x)[0], reference(x)[0])


@every_way
def test_ways_share_their_weights(cell, way):
    """A checkpoint of one execution loads in any other, and gives the same."""
    saved = recurrence(cell, num_layers=2, initial_state=InitialState.learned)
    module = recurrence(cell, num_layers=2, initial_state=InitialState.learned, **way)
    module.load_state_dict(saved.state_dict())
    x, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 4])
    close(module(x, lengths=lengths), saved(x, lengths=lengths))


@every_way
def test_step_equals_the_sequence_and_carries_its_state(cell, way):
    module = recurrence(cell, num_layers=2, **way)
    x, state = torch.randn(2, 5, 3), random_state(module, 2)
    outputs, final = module(x, state)
    first, middle = module(x[:, :2], state)
    close(first, outputs[:, :2])
    for t in range(2, 5):
        output, middle = module.step(x[:, t], middle)
        close(output, outputs[:, t])
    close(middle, final)


def test_step_of_a_bidirectional_recurrence_is_refused():
    module = recurrence({"name": "gru"}, bidirectional=True)
    with pytest.raises(ValueError, match="no step form"):
        module.step(torch.randn(1, 3), [])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_layers_hand_on_the_inputs(bidirectional):
    module = recurrence({"name": "lstm"}, num_layers=0, bidirectional=bidirectional, padding=Padding.packed)
    x, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
    outputs, final = module(x, lengths=lengths)
    assert module.output_size == 3
    assert final == []
    assert torch.equal(outputs[0], x[0])
    assert torch.equal(outputs[1, :2], x[1, :2])
    assert (outputs[1, 2:] == 0).all()
    assert torch.equal(module(x)[0], x)
    assert list(module.parameters()) == []


@in_every_way(CELLS)
def test_a_learned_initial_state_is_used_and_learned(cell, way):
    module = recurrence(cell, num_layers=2, bidirectional=True, initial_state=InitialState.learned, **way)
    plain = recurrence(cell, num_layers=2, bidirectional=True, **way)
    plain.load_state_dict(
        {name: value for name, value in module.state_dict().items() if not name.startswith("learned_state")}
    )
    x, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 4])
    own = module.example_state()
    assert len(module.learned_state) == len(learnable(own))
    if cell["name"] != "slstm":  # which takes the mean of what it starts from and what it reads
        close(module(x, lengths=lengths)[0], plain(x, lengths=lengths)[0])  # zero at first

    with torch.no_grad():
        for parameter in module.learned_state:
            parameter.normal_()
    learned = module.initial_state(x)
    if all(tensor.isfinite().all() for tensor in learnable(own)):
        close([tensor[1] for tensor in learnable(learned)], list(module.learned_state))
    assert all(tensor.isfinite().all() for tensor in learnable(learned))
    close(module(x, lengths=lengths), plain(x, learned, lengths))
    given_state = random_state(module, 3)
    close(module(x, given_state, lengths), plain(x, given_state, lengths))

    loss_of(*module(x, lengths=lengths)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.learned_state)


@strange
def test_a_learned_initial_state_is_added_to_the_cells_own(cell):
    """One tensor of their dtype for each tensor of the state, but for counts; what is infinite stays so."""
    module = recurrence(cell, num_layers=2, bidirectional=True, initial_state=InitialState.learned)
    x, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 4])
    before = module(x, lengths=lengths)[0]
    own = [one.initial_state(x) for one in module.cells]
    close(before, module(x, own, lengths)[0])  # zero at first
    with torch.no_grad():
        for parameter in module.learned_state:
            parameter.normal_()
    expected = iter(module.learned_state)
    for state, tensors in zip(module.initial_state(x), own, strict=True):
        for tensor, start in zip(state, tensors, strict=True):
            assert tensor.dtype is start.dtype
            close(tensor, start + next(expected) if is_learnable(start) else start)
    assert next(expected, None) is None
    outputs, final = module(x, lengths=lengths)
    loss_of(outputs, final).backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.learned_state)
    # The weight of what was before the first step is exp(m), and that is 0.
    changes = cell.name != "matrix"
    assert torch.allclose(outputs, before) is not changes
    assert all((parameter.grad.abs().sum() > 0) == changes for parameter in module.learned_state)


@strange
def test_layers_and_states_have_the_sizes_that_the_cell_says(cell):
    module = recurrence(cell, num_layers=2, bidirectional=True)
    size = module.cells[0].output_size
    assert module.output_size == 2 * size
    assert [one.input_size for one in module.cells] == [3, 3, 2 * size, 2 * size]
    outputs, final = module(torch.randn(3, 5, 3))
    assert outputs.shape == (3, 5, 2 * size)
    for one, state in zip(module.cells, final, strict=True):
        assert [tensor.shape[1:] for tensor in state] == list(one.state_shapes.values())


@every_way
def test_dropout_acts_between_layers_and_in_training_only(cell, way):
    x, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 4])
    for num_layers, differs in ((1, False), (2, True)):
        module = recurrence(cell, num_layers=num_layers, dropout=0.5, **way)
        evaluated = module.eval()(x, lengths=lengths)[0]
        trained, again = (module.train()(x, lengths=lengths)[0] for _ in range(2))
        assert torch.allclose(trained, evaluated) is not differs
        assert torch.allclose(trained, again) is not differs


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gru", {"execution": Execution.scan}, "model.execution=scan: the cell gru has auto, fused, loop"),
        ("min_gru", {"execution": Execution.fused}, "model.execution=fused: the cell min_gru has auto, scan"),
        (
            "min_gru",
            {"padding": Padding.packed},
            "model.padding=packed: .* min_gru runs as scan; choose auto",
        ),
        (
            "lstm",
            {"padding": Padding.packed, "execution": Execution.loop},
            "model.padding=packed: .* lstm runs as loop",
        ),
    ],
)
def test_what_a_cell_cannot_do_is_told(name, options, message):
    with pytest.raises(InputError, match=message):
        recurrence({"name": name}, **options)
