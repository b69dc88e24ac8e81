"""The parallel scan against a loop over the steps."""

import pytest
import torch
from torch.func import grad, vmap

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


@pytest.mark.parametrize("time", [1, 2, 5, 8])
def test_complex_numbers(time):
    arguments = tensors(time, torch.cdouble)
    torch.testing.assert_close(linear_scan(*arguments), loop(*arguments))
    assert torch.autograd.gradcheck(linear_scan, arguments)
    assert torch.autograd.gradgradcheck(linear_scan, arguments)


def energy(run):
    """A real number of the arguments of a scan."""
    return lambda *arguments: (run(*arguments).abs().square() * torch.arange(5)[:, None]).sum()


@pytest.mark.parametrize("dtype", [torch.double, torch.cdouble], ids=str)
@pytest.mark.parametrize("places", [(0, 0, 0), (1, 1, 1), (2, None, 0), (None, 1, None), (0, None, None)])
def test_under_vmap_and_grad(dtype, places):
    """Against a loop; mapped over any axis of some of the arguments, with first and second gradients."""
    arguments = [tensor.detach() for tensor in tensors(5, dtype)]
    mapped = [
        tensor if place is None else torch.stack([tensor, 2 * tensor, tensor.square()], dim=place)
        for tensor, place in zip(arguments, places, strict=True)
    ]

    def first(run):
        return grad(energy(run), (0, 1, 2))

    def second(run):
        return grad(lambda *rest: sum(each.abs().square().sum() for each in first(run)(*rest)), (0, 1, 2))

    for way in (lambda run: run, first, second):
        found, expected = (vmap(way(run), places)(*mapped) for run in (linear_scan, loop))
        torch.testing.assert_close(found, expected)
    for run in (first, second):
        torch.testing.assert_close(run(linear_scan)(*arguments), run(loop)(*arguments))
    over = grad(lambda *rest: vmap(linear_scan, places)(*rest).abs().square().sum(), (0, 1, 2))
    by_loop = grad(lambda *rest: vmap(loop, places)(*rest).abs().square().sum(), (0, 1, 2))
    torch.testing.assert_close(over(*mapped), by_loop(*mapped))


def test_vmap_of_vmap():
    decay, inputs, initial = (torch.stack([t, -t]) for t in tensors(6))
    nested = vmap(vmap(lambda a, b, h: linear_scan(a[None], b[None], h[None])[0]))(decay, inputs, initial)
    torch.testing.assert_close(nested[1], loop(decay[1], inputs[1], initial[1]))


def test_dtypes_are_joined_and_autocast_takes_float32():
    decay, inputs, initial = (tensor.detach() for tensor in tensors(300))
    exact = loop(decay.double(), inputs.bfloat16().double(), initial.double())
    with torch.autocast("cpu", torch.bfloat16):
        joined = linear_scan(decay, inputs.bfloat16(), initial)
        halved = linear_scan(decay.bfloat16(), inputs.bfloat16(), initial.bfloat16())
    torch.testing.assert_close(joined.double(), exact, rtol=1e-5, atol=1e-5)
    assert halved.dtype is torch.float32
    own = [t.bfloat16().double() for t in (decay, inputs, initial)]
    torch.testing.assert_close(halved.double(), loop(*own), rtol=1e-5, atol=1e-5)
    assert linear_scan(decay.bfloat16(), inputs.bfloat16(), initial.bfloat16()).dtype is torch.bfloat16
    real = decay.double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a: linear_scan(a[:, :4], inputs[:, :4].to(torch.cdouble), initial.double()), (real,)
    )


def test_axes_after_time_may_be_several():
    decay, inputs = torch.rand(2, 2, 7, 3, 4)
    initial = torch.randn(2, 3, 4)
    torch.testing.assert_close(linear_scan(decay, inputs, initial), loop(decay, inputs, initial))


def test_keeps_no_more_than_decays_and_outputs_for_the_gradient():
    kept = []

    def count(tensor):
        kept.append(tensor.numel())
        return tensor

    decay, inputs, initial = tensors(256)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        linear_scan(decay, inputs, initial)
    assert sum(kept) == decay.numel() + inputs.numel() + initial.numel()
