"""The parallel scan against a loop over the steps."""

import pytest
import torch

from unroll.nn.engines.scan import linear_scan

LENGTHS = [1, 2, 3, 17, 256, 4096]


def loop(decay, inputs, h):
    outputs = []
    for a, b in zip(decay.unbind(1), inputs.unbind(1), strict=True):
        h = a * h + b
        outputs.append(h)
    return torch.stack(outputs, dim=1)


def tensors(time, dtype=torch.float32):
    """Decays from almost 0 to almost 1, inputs and an initial state of either sign."""
    decay = torch.sigmoid(4 * torch.randn(2, time, 3, dtype=dtype))
    rest = torch.randn(2, time, 3, dtype=dtype), torch.randn(2, 3, dtype=dtype)
    return [tensor.requires_grad_() for tensor in (decay, *rest)]


@pytest.mark.parametrize("time", LENGTHS)
def test_equals_a_loop_with_gradients(time):
    arguments = tensors(time)
    weights = torch.randn(2, time, 3)
    results = []
    for run in (linear_scan, loop):
        outputs = run(*arguments)
        results.append((outputs, *torch.autograd.grad((weights * outputs).sum(), arguments)))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_a_decay_of_zero_forgets_and_of_one_sums():
    inputs, initial = torch.randn(2, 9, 3), torch.randn(2, 3)
    torch.testing.assert_close(linear_scan(torch.zeros(2, 9, 3), inputs, initial), inputs)
    sums = linear_scan(torch.ones(2, 9, 3), inputs, initial)
    torch.testing.assert_close(sums, initial[:, None] + inputs.cumsum(dim=1))


@pytest.mark.parametrize("time", [1, 2, 5, 8])
def test_first_and_second_derivatives_against_finite_differences(time):
    arguments = tensors(time, torch.double)
    assert torch.autograd.gradcheck(linear_scan, arguments)
    assert torch.autograd.gradgradcheck(linear_scan, arguments)


def test_keeps_no_more_than_decays_and_outputs_for_the_gradient():
    kept = []

    def count(tensor):
        kept.append(tensor.numel())
        return tensor

    decay, inputs, initial = tensors(256)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        linear_scan(decay, inputs, initial)
    assert sum(kept) == decay.numel() + inputs.numel() + initial.numel()
