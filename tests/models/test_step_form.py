"""What a step gives is held against what the cell says of itself."""

import pytest
import torch
from torch import nn

from unroll.errors import InputError
from unroll.models.step_form import require_step_forms
from unroll.nn.cells.base import Cell


class Given(Cell):
    """A cell whose step gives what the test says."""

    def __init__(self, give):
        super().__init__(3, 4)
        self.give = give

    def step(self, x, state):
        return self.give(*state)


def fault_of(give):
    with pytest.raises(InputError) as raised:
        require_step_forms(nn.ModuleList([Given(give)]))
    assert __file__.endswith(str(raised.value).partition(":")[0])
    return str(raised.value)


@pytest.mark.parametrize(
    ("give", "fault"),
    [
        (lambda h: h, "step gives a Tensor, not an output and a state; "),
        (lambda h: (h, h), "step gives a state that is a Tensor, not a tuple; "),
        (lambda h: ((h,), (h,)), "step gives an output of a tuple, not of (1, 4) for a batch of one; "),
        (lambda h: (h[:, 1:], (h,)), "step gives an output of (1, 3), not of (1, 4) for a batch of one; "),
        (lambda h: (h, (h, h)), "a state of (1, 4), (1, 4), not of (1, 4) as state_shapes says; "),
        (lambda h: (h, (None,)), "a state of a NoneType, not of (1, 4) as state_shapes says; "),
        (lambda h: h + torch.ones(5), "RuntimeError: The size of tensor a (4) must match"),
    ],
)
def test_a_step_that_breaks_the_contract(give, fault):
    assert fault in fault_of(give)


def test_a_step_that_keeps_it_changes_nothing():
    cell = Given(lambda h: (h, (h,))).train()
    before = torch.random.get_rng_state()
    require_step_forms(cell)
    assert cell.training
    assert torch.equal(torch.random.get_rng_state(), before)
