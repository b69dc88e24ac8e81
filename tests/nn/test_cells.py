"""Every cell: its step form, its sequence form, and what its equations are held against."""

import math

import pytest
import torch
import torch.nn.functional as F
from recurrences import (
    CELLS,
    CLASSIC,
    MODERN,
    close,
    label,
    learnable,
    make_cell,
    random_state_of,
    small,
)

from unroll.config.components import Execution
from unroll.config.registry import build, from_dict
from unroll.nn.cells.base import Cell, is_learnable
from unroll.nn.cells.min_gru import MinGRU

cells = pytest.mark.parametrize("cell", CELLS, ids=label)
classic = pytest.mark.parametrize("cell", CLASSIC, ids=label)
modern = pytest.mark.parametrize("cell", MODERN, ids=label)
minimal = pytest.mark.parametrize("name", ["min_gru", "min_lstm"])


def with_execution(execution):
    found = [cell for cell in CELLS if execution in make_cell(cell).executions]
    return pytest.mark.parametrize("cell", found, ids=label)


def results(run, module, x, state, lengths=None):
    """Outputs, final state and gradients; outputs of padding count for nothing."""
    x = x.detach().requires_grad_()
    state = tuple(t.detach().requires_grad_() if is_learnable(t) else t for t in state)
    outputs, final = run(x, state, lengths)
    if lengths is not None:
        padding = torch.arange(x.shape[1]) >= lengths[:, None]
        outputs = outputs.masked_fill(padding[..., None], 0.0)
    loss = outputs.square().mean() + sum(tensor.abs().square().mean() for tensor in learnable([final]))
    return outputs, final, torch.autograd.grad(loss, [x, *learnable([state]), *module.parameters()])


@cells
@pytest.mark.parametrize("lengths", [None, [7, 1, 4, 6, 2]], ids=["whole", "padded"])
def test_sequence_form_equals_step_form(cell, lengths):
    module = make_cell(cell)
    x, state = torch.randn(5, 7, 3), random_state_of(module, 5)
    lengths = lengths and torch.tensor(lengths)
    close(*(results(run, module, x, state, lengths) for run in (module.sequence, module.loop)))


@pytest.mark.parametrize("time", [1, 2, 3, 17, 256])
@with_execution(Execution.scan)
def test_a_scan_equals_the_loop_at_any_length(cell, time):
    module = make_cell(cell)
    x, state = 2 * torch.randn(2, time, 3), random_state_of(module, 2)
    close(*(results(run, module, x, state) for run in (module.sequence, module.loop)))


@minimal
def test_a_scan_equals_the_loop_over_4096_steps(name):
    module = make_cell(small(name))
    x, state = 2 * torch.randn(2, 4096, 3), random_state_of(module, 2)
    close(*(results(run, module, x, state) for run in (module.sequence, module.loop)))


@with_execution(Execution.chunk)
@pytest.mark.parametrize("time", [1, 17, 130])
def test_chunks_equal_the_loop_at_any_length_and_in_a_padded_batch(cell, time):
    """In float64, where a sum in another order does not show."""
    module = make_cell(cell).double()
    lengths = torch.tensor([time, 1, max(1, time // 2)])
    x, state = torch.randn(3, time, 3, dtype=torch.double), random_state_of(module, 3, torch.double)
    x[torch.arange(time) >= lengths[:, None]] = 0.0
    for given in (None, lengths):
        close(*(results(run, module, x, state, given) for run in (module.sequence, module.loop)))


@cells
def test_state_carried_across_a_split_equals_one_pass(cell):
    module = make_cell(cell)
    x, state = torch.randn(5, 9, 3), random_state_of(module, 5)
    for run in (module.sequence, module.loop):
        outputs, final = run(x, state)
        first, middle = run(x[:, :4], state)
        second, split_final = run(x[:, 4:], middle)
        close(torch.cat([first, second], dim=1), outputs)
        close(split_final, final)


@cells
def test_gradients_against_finite_differences(cell):
    module = make_cell(cell).double()
    x = torch.randn(2, 3, 3, dtype=torch.double, requires_grad=True)
    state = random_state_of(module, 2, torch.double)
    for run in (module.sequence, module.loop):
        assert torch.autograd.gradcheck(lambda x, *state, run=run: run(x, state)[0], (x, *state))


@pytest.mark.parametrize("cell", [cell for cell in MODERN if cell["name"] != "attention"], ids=label)
def test_gradients_of_each_sequence_by_vmap(cell):
    """But of attention, which looks at how full its cache is: there vmap cannot look."""
    module = make_cell(cell).double()
    x, weights = torch.randn(3, 5, 3, dtype=torch.double), dict(module.named_parameters())

    def loss(weights, x):
        outputs, _ = torch.func.functional_call(module, weights, (x[None],))
        return outputs.square().sum()

    for run in (module.sequence, module.loop):
        module.forward = lambda x, run=run: run(x, module.initial_state(x))
        found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
        for row in range(3):
            wanted = torch.autograd.grad(loss(weights, x[row]), list(weights.values()))
            close([found[name][row] for name in weights], list(wanted))


@cells
def test_states_have_the_shapes_that_the_cell_says(cell):
    module = make_cell(cell)
    x = torch.randn(5, 3, dtype=torch.double)
    first = module.initial_state(x)
    output, second = module.double().step(x, first)
    assert output.shape == (5, module.output_size)
    made = module.state_from(tuple(tensor + 1 for tensor in first))
    for state in (first, second, made):
        assert [tensor.shape for tensor in state] == [(5, *shape) for shape in module.state_shapes.values()]
        assert [tensor.dtype for tensor in state] == [tensor.dtype for tensor in first]
    assert all(torch.equal(a, b) for a, b in zip(first, module.initial_state(x), strict=True))


@cells
def test_the_initial_state_is_zero_or_has_no_weight(cell):
    """The exponents of exponential gates start at -∞."""
    module = make_cell(cell)
    state = module.initial_state(torch.empty(5, 2, dtype=torch.double))
    for tensor, (name, shape) in zip(state, module.state_shapes.items(), strict=True):
        assert not is_learnable(tensor) or tensor.abs().dtype is torch.double
        first = -math.inf if name == "m" else 0
        assert torch.equal(tensor, torch.full((5, *shape), first, dtype=tensor.dtype))
    assert not {"x", "y", "step", "output"} & set(module.state_shapes)  # nodes of graphs


@cells
def test_mixed_precision_stays_close(cell):
    module = make_cell(cell)
    x = torch.randn(5, 7, 3)
    expected, _ = module.sequence(x, module.initial_state(x))
    for run in (module.sequence, module.loop):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs, _ = run(x, module.initial_state(x))
        if cell in CLASSIC:
            torch.testing.assert_close(outputs.float(), expected, rtol=0.02, atol=0.02)
        else:  # on the whole: single numbers are further off where the norm of a head divides by little
            assert (outputs - expected).square().mean().sqrt() < 0.02


@modern
def test_the_state_stays_in_full_precision(cell):
    """Numbers of half precision in, a state of single precision out."""
    module = make_cell(cell)
    x = torch.randn(5, 7, 3, dtype=torch.bfloat16)
    for run in (module.sequence, module.loop):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, final = run(x, module.initial_state(x))
        assert {tensor.abs().dtype for tensor in learnable([final])} == {torch.float32}


@classic
def test_xavier_initialisation_bounds_each_gate(cell):
    module = build(from_dict("model/cell", {**cell, "initialization": "xavier"}), 50, 70)
    for gate in module.weight_ih.chunk(module.gates):
        assert gate.abs().max().item() == pytest.approx((6 / 120) ** 0.5, rel=0.02)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_orthogonal_initialisation_keeps_the_length_of_the_state(name):
    module = build(from_dict("model/cell", {"name": name, "initialization": "orthogonal"}), 3, 70)
    for gate in module.weight_hh.chunk(module.gates):
        torch.testing.assert_close(gate @ gate.T, torch.eye(70), atol=1e-5, rtol=0)
    for gate in module.weight_ih.chunk(module.gates):
        assert gate.abs().max().item() == pytest.approx((6 / 73) ** 0.5, rel=0.05)


def test_a_cell_needs_no_more_than_a_step():
    class Sum(Cell):
        def step(self, x, state):
            return state[0] + x, (state[0] + x,)

    x, lengths = torch.randn(2, 5, 4), torch.tensor([5, 3])
    module = Sum(4, 4)
    outputs, (final,) = module.sequence(x, module.initial_state(x), lengths)
    torch.testing.assert_close(outputs[0], x[0].cumsum(dim=0))
    torch.testing.assert_close(final, torch.stack([x[0].sum(dim=0), x[1, :3].sum(dim=0)]))


def log_g(x):
    return torch.where(x >= 0, (F.relu(x) + 0.5).log(), -F.softplus(-x))


@minimal
def test_minimal_cells_equal_the_log_space_form_of_the_paper(name):
    """Feng et al. 2024, appendix B: the logs of decays and inputs, then Heinsen's formula, in float64."""
    module = build(from_dict("model/cell", {"name": name}), 3, 4).double()
    x, h = torch.randn(5, 40, 3, dtype=torch.double), torch.rand(5, 4, dtype=torch.double)
    *gates, new = F.linear(x, module.weight_ih, module.bias_ih).chunk(module.gates, dim=-1)
    if name == "min_gru":
        (update,) = gates
        log_decay, log_update = -F.softplus(update), -F.softplus(-update)
    else:
        forget, update = gates
        difference = F.softplus(-forget) - F.softplus(-update)
        log_decay, log_update = -F.softplus(difference), -F.softplus(-difference)
    log_values = torch.cat([h.log()[:, None], log_update + log_g(new)], dim=1)
    sums = F.pad(log_decay.cumsum(dim=1), (0, 0, 1, 0))
    expected = (sums + torch.logcumsumexp(log_values - sums, dim=1)).exp()[:, 1:]
    torch.testing.assert_close(module.sequence(x, (h,))[0], expected)


@minimal
def test_minimal_cells_stay_finite_with_saturated_gates(name):
    module = make_cell(small(name))
    x = 1e4 * torch.randn(5, 7, 3)
    outputs, _, gradients = results(module.sequence, module, x, module.initial_state(x))
    assert outputs.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@minimal
def test_minimal_cells_keep_the_recurrence_in_full_precision(name):
    module = make_cell(small(name))
    x = torch.randn(5, 7, 3, dtype=torch.bfloat16)
    for run in (module.sequence, module.loop):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs, (final,) = run(x, module.initial_state(x))
        assert outputs.dtype == final.dtype == torch.float32


@minimal
def test_minimal_cells_start_as_the_linear_layers_of_the_paper(name):
    module = build(from_dict("model/cell", {"name": name}), 100, 70)
    linear = torch.nn.Linear(100, 70 * module.gates)
    bound = max(parameter.abs().max().item() for parameter in linear.parameters())
    assert max(parameter.abs().max().item() for parameter in module.parameters()) == pytest.approx(
        bound, rel=0.01
    )
    assert bound == pytest.approx(1 / math.sqrt(100), rel=0.01)


def test_min_gru_blends_state_and_new_value():
    """One step by hand: u = ½ and n = g(1) = 1.5 make h′ = ½ · 3 + ½ · 1.5."""
    module = MinGRU(from_dict("model/cell", {"name": "min_gru"}), 1, 1)
    with torch.no_grad():
        module.weight_ih.copy_(torch.tensor([[0.0], [1.0]]))
        module.bias_ih.zero_()
    h, _ = module.step(torch.ones(1, 1), (torch.full((1, 1), 3.0),))
    assert h.item() == pytest.approx(2.25)


def test_the_forget_gate_of_an_lstm_starts_as_open_as_is_asked():
    torch.manual_seed(1)
    plain = make_cell(small("lstm"))
    torch.manual_seed(1)
    open_ = make_cell(small("lstm", forget_bias=3.0))
    for name, weight in plain.named_parameters():
        added = torch.tensor([0.0, 3.0, 0.0, 0.0]).repeat_interleave(4) if name == "bias_ih" else 0.0
        torch.testing.assert_close(open_.get_parameter(name), weight + added)
    with torch.no_grad():
        for weight in (open_.weight_ih, open_.weight_hh):
            weight.zero_()
        x = torch.zeros(1, 1, 3)
        _, (_, c) = open_.sequence(x, (torch.zeros(1, 4), torch.ones(1, 4)))
        bias = open_.bias_ih + open_.bias_hh
        i, f, g, _ = bias.chunk(4)
        torch.testing.assert_close(c[0], torch.sigmoid(f) + torch.sigmoid(i) * torch.tanh(g))
