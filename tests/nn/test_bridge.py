"""From an encoder's final states to a decoder's first: by hand, for states of any shape and dtype."""

import torch
from recurrences import STRANGE, close, recurrence, strange

from unroll.nn.bridge import Bridge, ToState


def test_two_directions_of_an_lstm_by_hand():
    encoder, decoder = (
        recurrence({"name": "lstm"}, num_layers=2, bidirectional=two) for two in (True, False)
    )
    bridge = Bridge(2, encoder.example_state(), decoder.example_state())
    assert {name: tuple(weight.shape) for name, weight in bridge.named_parameters()} == {
        f"projections.{layer}.{state}.{kind}": shape
        for layer in range(2)
        for state in range(2)
        for kind, shape in (("weight", (4, 8)), ("bias", (4,)))
    }
    _, final = encoder(torch.randn(3, 5, 3))
    bridged = bridge(final, decoder)
    for layer in range(2):
        for number in range(2):
            project = bridge.projections[layer][number]
            joined = torch.cat([final[2 * layer + side][number] for side in range(2)], dim=1)
            close(bridged[layer][number], torch.tanh(joined @ project.weight.mT + project.bias))


def test_one_direction_is_passed_on_as_it_is():
    for cell in ({"name": "lstm"}, *STRANGE):
        module = recurrence(cell, num_layers=2)
        bridge = Bridge(1, module.example_state(), module.example_state())
        assert list(bridge.parameters()) == []
        _, final = module(torch.randn(3, 5, 3))
        for state, bridged in zip(final, bridge(final, module), strict=True):
            assert all(a is b for a, b in zip(state, bridged, strict=True))


@strange
def test_two_directions_of_states_of_any_shape(cell):
    """Finite, of the decoder's shapes and dtypes, and made of both directions but for counts."""
    encoder, decoder = (recurrence(cell, num_layers=2, bidirectional=two) for two in (True, False))
    bridge = Bridge(2, encoder.example_state(), decoder.example_state())
    final = [tuple(t.detach() for t in state) for state in encoder(torch.randn(3, 5, 3))[1]]
    final = [tuple(t.requires_grad_(t.dtype != torch.long) for t in state) for state in final]
    bridged = bridge(final, decoder)
    wanted = decoder.initial_state(torch.zeros(3, 3))
    for layer, (state, like) in enumerate(zip(bridged, wanted, strict=True)):
        for number, (tensor, own) in enumerate(zip(state, like, strict=True)):
            assert (tensor.shape, tensor.dtype) == (own.shape, own.dtype)
            sides = [final[2 * layer + side][number] for side in range(2)]
            if tensor.dtype is torch.long:
                assert tensor is sides[0]
                continue
            assert tensor.isfinite().all()
            assert torch.view_as_real(tensor + 0j).abs().max() <= 1
            for gradient in torch.autograd.grad(tensor.abs().sum(), sides):
                assert (gradient.abs() > 0).all()


def test_a_matrix_is_projected_along_its_last_axis():
    example, x, y = (torch.randn(rows, 2, 5) for rows in (1, 3, 3))
    project = ToState(torch.zeros(1, 2, 4), example, example)
    assert project.weight.shape == (4, 10)
    close(project(x, y)[:, 1], torch.cat([x[:, 1], y[:, 1]], dim=1) @ project.weight.mT + project.bias)


def test_what_has_other_axes_is_projected_whole():
    project = ToState(torch.zeros(1, 5, 2), torch.zeros(1, 3, 2))
    x = torch.randn(3, 3, 2)
    close(project(x), (x.flatten(1) @ project.weight.mT + project.bias).view(3, 5, 2))
    assert ToState(torch.zeros(1), torch.zeros(1, 6))(torch.randn(3, 6)).shape == (3,)
    assert ToState(torch.zeros(1), torch.zeros(1))(torch.randn(3)).shape == (3,)


def test_a_complex_number_is_two_real_ones():
    example, x = torch.zeros(1, 5, dtype=torch.cfloat), torch.randn(3, 5, dtype=torch.cfloat)
    project = ToState(torch.zeros(1, 4, dtype=torch.cfloat), example)
    numbers = torch.view_as_real(x).flatten(1) @ project.weight.mT + project.bias
    close(torch.view_as_real(project(x)).flatten(1), numbers)
