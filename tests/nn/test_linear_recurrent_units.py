"""What the cells slstm, rg_lru and lru start from, and how they behave at the ends of their ranges."""

import math

import pytest
import torch
import torch.nn.functional as F
from recurrences import small

from unroll.config.registry import build, from_dict
from unroll.errors import InputError
from unroll.nn.optimizers.adam import AdamConfig
from unroll.nn.optimizers.groups import parameter_groups


def fresh(name, input_size=6, hidden_size=8, **options):
    return build(from_dict("model/cell", small(name, **options)), input_size, hidden_size)


def test_forget_gates_of_an_slstm_start_open_and_nothing_is_remembered_by_its_matrix():
    cell = fresh("slstm")
    _, forget, _, _ = cell.gates.bias.chunk(4)
    torch.testing.assert_close(forget, torch.linspace(3.0, 6.0, 4).repeat(2))
    assert not cell.recurrent.any()


def test_the_first_step_of_an_slstm_reads_the_new_value_alone():
    """n is 1 and c the new value: whatever stood there, it had no weight."""
    cell, x = fresh("slstm"), torch.randn(3, 6)
    _, (h, c, n, m) = cell.step(x, cell.initial_state(x))
    i, _, z, o = cell.gates(x).chunk(4, dim=-1)
    torch.testing.assert_close((h, c, n, m), (o.sigmoid() * z.tanh(), z.tanh(), torch.ones_like(n), i))


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e4, 1e30])
def test_any_numbers_make_a_state_of_an_slstm(size):
    cell, x = fresh("slstm"), torch.randn(3, 5, 6)
    numbers = tuple(size * torch.randn(3, 8) for _ in range(4))
    state = cell.state_from(numbers)
    assert (state[2] > 0).all()
    outputs, final = cell.sequence(x, state)
    assert all(tensor.isfinite().all() for tensor in (outputs, *final))


@pytest.mark.parametrize("name", ["slstm", "mlstm", "rg_lru"])
def test_gates_that_are_all_open_or_shut_stay_finite(name):
    cell = fresh(name)
    for sign in (-1, 1):
        x = (sign * 1e4 * torch.rand(3, 7, 6)).requires_grad_()
        outputs, _ = cell.sequence(x, cell.initial_state(x))
        gradients = torch.autograd.grad(outputs.square().mean(), [x, *cell.parameters()])
        assert all(tensor.isfinite().all() for tensor in (outputs, *gradients))


def test_rates_of_an_rg_lru_start_as_in_the_paper():
    slowest = torch.exp(-8 * F.softplus(fresh("rg_lru", hidden_size=4000).rate))
    assert 0.9 <= slowest.min() < 0.9005
    assert 0.9985 < slowest.max() <= 0.9991
    assert slowest.mean().item() == pytest.approx(0.9495, abs=0.003)


def test_only_the_very_first_step_of_an_rg_lru_is_not_scaled():
    cell = fresh("rg_lru", input_size=8)
    x, h = torch.randn(2, 3, 8), torch.zeros(2, 8)
    _, (_, steps) = cell.sequence(x, (h, torch.tensor([0, 5])), torch.tensor([3, 2]))
    assert steps.tolist() == [3, 7]
    first, later = (cell.sequence(x[:, :1], (h, torch.full((2,), count)))[0] for count in (0, 1))
    decay, gated, scale = cell._terms(x[:, :1])
    torch.testing.assert_close(first, gated)
    torch.testing.assert_close(later, scale * gated)
    torch.testing.assert_close(scale, (1 - decay.square()).sqrt(), rtol=1e-3, atol=1e-5)


def test_an_rg_lru_that_forgets_nothing_has_a_gradient():
    """√(1 − a²) has an infinite slope where a is 1."""
    cell = fresh("rg_lru", input_size=8)
    with torch.no_grad():
        cell.rate.fill_(-200.0)
    x = torch.randn(2, 5, 8, requires_grad=True)
    outputs, _ = cell.sequence(x, cell.initial_state(x))
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(outputs.sum(), [x, *cell.parameters()]))


@pytest.mark.parametrize(("r_min", "r_max", "max_phase"), [(0.0, 1.0, 6.28), (0.9, 0.99, 0.3)])
def test_the_eigenvalues_of_an_lru_start_uniform_on_their_ring(r_min, r_max, max_phase):
    cell = fresh("lru", state_size=4000, r_min=r_min, r_max=r_max, max_phase=max_phase)
    decay, _ = cell._terms(torch.zeros(1, 6))
    squared = (decay.abs().square() - r_min**2) / (r_max**2 - r_min**2)
    angle = torch.remainder(decay.angle(), 2 * math.pi) / max_phase
    for uniform in (squared, angle):
        assert uniform.min() > -1e-4
        assert uniform.max() < 1 + 1e-4
        assert uniform.mean().item() == pytest.approx(1 / 2, abs=0.03)
        assert uniform.var().item() == pytest.approx(1 / 12, abs=0.01)
    torch.testing.assert_close(cell.log_scale.exp(), (1 - decay.abs().square()).sqrt(), rtol=1e-3, atol=1e-3)


def test_parameters_of_the_recurrence_have_no_weight_decay_and_those_of_an_lru_half_the_rate():
    groups = parameter_groups(fresh("lru"), AdamConfig(lr=0.1, weight_decay=0.01))
    slow = [group for group in groups if group.get("lr") == pytest.approx(0.05)]
    assert [(len(group["params"]), group["weight_decay"]) for group in slow] == [(3, 0.0)]
    cell = fresh("rg_lru")
    undecayed = [
        parameter
        for group in parameter_groups(cell, AdamConfig(lr=0.1, weight_decay=0.01))
        if group.get("weight_decay") == 0
        for parameter in group["params"]
    ]
    assert any(parameter is cell.rate for parameter in undecayed)
    assert any(parameter is cell.bias for parameter in undecayed)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "slstm", "heads": 0}, r"model.cell.heads=0: must be in \[1, 1,000,000\]"),
        ({"name": "rg_lru", "heads": 3}, "model.hidden_size=8: is no multiple of model.cell.heads=3"),
        ({"name": "lru", "r_min": 0.9, "r_max": 0.8}, r"model.cell.r_min=0.9: must be in \[0, r_max=0.8\)"),
        ({"name": "lru", "r_max": 1.1}, r"model.cell.r_max=1.1: must be in \(0, 1\]"),
        ({"name": "lru", "max_phase": 0.0}, r"model.cell.max_phase=0.0: must be in \(0, 6.3\]"),
        ({"name": "lru", "state_size": 0}, r"model.cell.state_size=0: must be in \[1, 1000000\], or null"),
    ],
)
def test_a_mistake_ends_in_one_line(values, message):
    with pytest.raises(InputError, match=message):
        build(from_dict("model/cell", values), 6, 8)
