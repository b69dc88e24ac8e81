"""Units in heat maps: those that behave alike stand together, and of many a sample is shown."""

import itertools

import pytest
import torch
from matplotlib.figure import Figure

from unroll.inspect.heat_map import MOST_UNITS, draw_states, similar_units


@pytest.mark.parametrize("size", [1, 2, 3, 17, MOST_UNITS])
def test_the_order_has_each_unit_once(size):
    torch.manual_seed(0)
    assert sorted(similar_units(torch.randn(5, size))) == list(range(size))


def test_of_many_units_some_are_shown():
    order = similar_units(torch.randn(4, 1000))
    assert len(set(order)) == MOST_UNITS
    assert max(order) < 1000


def test_those_that_behave_alike_stand_together():
    torch.manual_seed(0)
    kinds = 10 * torch.randn(8, 3)
    kind_of = [0, 1, 2] * 5
    order = similar_units(kinds[:, kind_of] + 0.01 * torch.randn(8, 15))
    kinds_in_order = [kind_of[unit] for unit in order]
    changes = sum(a != b for a, b in itertools.pairwise(kinds_in_order))
    assert changes == 2


def test_colours_use_the_values_that_are_there():
    axes = Figure().subplots()
    draw_states(axes, torch.tensor([[0.5, 0.6], [0.55, 0.52]]), "gate")
    assert axes.images[0].get_clim() == pytest.approx((0.5, 0.6))
    axes = Figure().subplots()
    draw_states(axes, torch.tensor([[-0.5, 0.2]]), "state")
    assert axes.images[0].get_clim() == (-0.5, 0.5)
