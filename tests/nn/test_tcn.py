"""The block of dilated causal convolutions: against torch's convolutions, and what it can see."""

import copy

import pytest
import torch
import torch.nn.functional as F
from helpers import single, small_model, token_batch, token_spec
from recurrences import close, gradients, loss_of, recurrence

from unroll.config.components import Execution
from unroll.config.registry import build, from_dict
from unroll.errors import InputError
from unroll.nn.search import Method, SearchConfig

CELL = {"name": "tcn"}


def make_cell(layer=0, input_size=3, **values):
    module = build(from_dict("model/cell", {**CELL, **values}), input_size, 4).double()
    module.place(layer, layer + 1)
    return module


def inputs(batch, time):
    return torch.randn(batch, time, 3, dtype=torch.double)


@pytest.mark.parametrize("kernel_size", [2, 3, 7])
@pytest.mark.parametrize("layer", [0, 1, 4])
@pytest.mark.parametrize("input_size", [3, 4])
def test_equals_padded_convolutions(kernel_size, layer, input_size):
    """As the authors write it: zeros before the sequence, and weights of a learned length."""
    module = make_cell(layer, input_size, kernel_size=kernel_size)
    x = torch.randn(2, 20, input_size, dtype=torch.double)
    hidden = x.mT
    for convolution in module.convolutions:
        length, direction = dict(convolution.parametrizations.weight.named_parameters()).values()
        weight = length * direction / direction.square().sum(dim=(1, 2), keepdim=True).sqrt()
        padded = F.pad(hidden, ((kernel_size - 1) * 2**layer, 0))
        hidden = torch.relu(F.conv1d(padded, weight, convolution.bias, dilation=2**layer))
    residual = x if input_size == 4 else F.linear(x, module.residual.weight, module.residual.bias)
    expected = torch.relu(residual + hidden.mT)
    for way in (module.sequence, module.loop):
        torch.testing.assert_close(way(x, module.initial_state(x))[0], expected)


@pytest.mark.parametrize("kernel_size", [2, 3])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_stack_sees_as_many_steps_as_it_says(kernel_size, layers):
    """1 + 2 (k − 1) (2^L − 1), exactly: with weights and inputs above zero nothing cancels out."""
    module = recurrence({**CELL, "kernel_size": kernel_size}, num_layers=layers).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    x, changed = inputs(1, 100).abs(), inputs(1, 100).abs()
    changed[:, 1:] = x[:, 1:]
    differs = (module(x)[0] != module(changed)[0]).any(dim=2)[0]
    seen = 1 + 2 * (kernel_size - 1) * (2**layers - 1)
    assert differs.nonzero()[:, 0].tolist() == list(range(seen))


def test_sequence_step_and_cuts_agree_with_buffers_longer_than_sequences():
    """Outputs, states and gradients of a padded batch, at a dilation of 8."""
    module = recurrence(CELL, num_layers=4).double()
    lengths = torch.tensor([40, 1, 2, 13])
    x = inputs(4, 40).requires_grad_()
    state = [tuple(torch.randn_like(t).requires_grad_() for t in each) for each in module.initial_state(x)]
    outputs, final = module(x, state, lengths)
    found = gradients(loss_of(outputs, final), module, x, state)
    module.execution = Execution.loop
    by_steps, final_of_steps = module(x, state, lengths)
    close([outputs, final], [by_steps, final_of_steps])
    close(found, gradients(loss_of(by_steps, final_of_steps), module, x, state))
    for row, length in enumerate(lengths):
        own = [tuple(tensor[row : row + 1] for tensor in each) for each in state]
        alone, after = module(x[row : row + 1, :length], own)
        close([outputs[row : row + 1, :length], _row(final, row)], [alone, after])
    assert torch.equal(final[3][0][1, :-1], state[3][0][1, 1:])  # one step has moved the rest by one
    module.execution = Execution.parallel
    for cut in (1, 7, 39):
        first, middle = module(x[:, :cut], state)
        rest, after = module(x[:, cut:], middle)
        whole, expected = module(x, state)
        close([torch.cat([first, rest], dim=1), after], [whole, expected])


def _row(states, row):
    return [tuple(tensor[row : row + 1] for tensor in state) for state in states]


def test_weights_of_a_learned_length_are_copied_saved_and_placed_without_memory(tmp_path):
    module = recurrence(CELL, num_layers=2)
    x = torch.randn(2, 9, 3)
    assert torch.equal(copy.deepcopy(module)(x)[0], module(x)[0])
    torch.save(module.state_dict(), tmp_path / "weights.pt")
    other = recurrence(CELL, num_layers=2)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(other(x)[0], module(x)[0])
    with torch.device("meta"):
        assert recurrence(CELL, num_layers=2)(torch.randn(2, 9, 3))[0].is_meta


@pytest.mark.parametrize("method", [Method.greedy, Method.beam])
def test_as_encoder_and_decoder_it_is_searched_with(method):
    """A batch decodes as each source alone does."""
    model = small_model("seq2seq", token_spec(), cell=CELL, embedding_size=5, num_layers=2)
    batch, config = token_batch([4, 1, 7]), SearchConfig(method=method, beam_size=3)
    together = model.decode(batch, config)
    for row in range(3):
        alone = model.decode(single(batch, row), config)
        assert alone.to_lists() == [together.to_lists()[row]]
        close(alone.log_probability, together.log_probability[row : row + 1])


def test_what_it_cannot_do_is_told_in_one_line():
    with pytest.raises(InputError, match=r"model\.cell\.kernel_size=1: must be in \[2, 1000\]"):
        make_cell(kernel_size=1)
    with pytest.raises(InputError, match=r"model\.num_layers=40: layer 20 of the tcn would keep 1,048,576"):
        recurrence(CELL, num_layers=40)
