"""Units in heat maps: those that behave alike stand together, and of many a sample is shown."""

import itertools

import pytest
import torch
from matplotlib.figure import Figure

from unroll.config.registry import from_dict
from unroll.inspect.heat_map import MOST_NUMBERED_UNITS, MOST_UNITS, draw_states, similar_units
from unroll.inspect.trace import trace
from unroll.nn.recurrence import Recurrence


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
    kind_of = [0, 1, 2] * 10
    order = similar_units(kinds[:, kind_of] + 0.01 * torch.randn(8, 30))
    kinds_in_order = [kind_of[unit] for unit in order]
    changes = sum(a != b for a, b in itertools.pairwise(kinds_in_order))
    assert changes == 2


def test_a_few_units_keep_their_numbers():
    torch.manual_seed(0)
    assert similar_units(torch.randn(5, MOST_NUMBERED_UNITS)) == list(range(MOST_NUMBERED_UNITS))


def test_a_trace_shows_many_units_in_one_order():
    """The gates of a unit stand in the row of its state, which starts from -∞ in some cells."""
    for name in ("lstm", "slstm"):
        torch.manual_seed(0)
        traced = trace(Recurrence(from_dict("model/cell", {"name": name}), 3, 80), torch.randn(1, 6, 3))
        (cell,) = traced.cells
        orders, first = cell.unit_orders(), next(iter(cell.made.values()))
        assert orders["h"] == similar_units(first)
        assert all(orders[title] == orders["h"] for title in orders if title != "x")
        shown = {axes.get_title(): axes.images[0].get_array() for axes in traced.figure().axes if axes.images}
        state = torch.tensor(shown[f"h, {MOST_UNITS} of 80 units"].data)
        torch.testing.assert_close(state, cell.after["h"].mT[orders["h"]])


def test_colours_use_the_values_that_are_there():
    axes = Figure().subplots()
    draw_states(axes, torch.tensor([[0.5, 0.6], [0.55, 0.52]]), "gate")
    assert axes.images[0].get_clim() == pytest.approx((0.5, 0.6))
    axes = Figure().subplots()
    draw_states(axes, torch.tensor([[-0.5, 0.2]]), "state")
    assert axes.images[0].get_clim() == (-0.5, 0.5)
