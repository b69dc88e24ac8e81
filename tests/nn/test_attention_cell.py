"""Self-attention as a cell: against torch's attention, and the equations in NumPy."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import single, small_model, token_batch, token_spec
from recurrences import close, gradients, loss_of, recurrence

from unroll.config.components import Execution
from unroll.config.registry import build, from_dict
from unroll.errors import InputError
from unroll.nn.search import Method, SearchConfig

HEADS, WINDOW = 2, 3
SMALL = {"name": "attention", "heads": HEADS, "window": WINDOW}


def make_cell(hidden_size=8, **values):
    return build(from_dict("model/cell", {**SMALL, **values}), 3, hidden_size).double()


def inputs(batch, time):
    return torch.randn(batch, time, 3, dtype=torch.double)


def run(module, x):
    return module.sequence(x, module.initial_state(x))[0]


def attention_in_numpy(cell, x):
    """The equations, one sum after the other, with full attention where the window is longer than x."""
    weights = [layer.weight.detach().numpy() for layer in (cell.query, cell.key, cell.value, cell.output)]
    w_q, w_k, w_v, w_o = weights
    size = cell.hidden_size // cell.heads
    half = size // 2

    def turned(vector, step):
        turned = vector.copy()
        for i in range(half):
            angle = step * cell.rotary_base ** (-2 * i / (2 * half))
            a, b = vector[i], vector[i + half]
            turned[i] = a * math.cos(angle) - b * math.sin(angle)
            turned[i + half] = a * math.sin(angle) + b * math.cos(angle)
        return turned

    outputs = []
    for t in range(len(x)):
        heads = []
        for head in range(cell.heads):
            own = slice(head * size, (head + 1) * size)
            q = turned((w_q @ x[t])[own], t)
            seen = range(max(0, t - cell.window + 1), t + 1)
            scores = np.array([q @ turned((w_k @ x[s])[own], s) for s in seen]) / math.sqrt(size)
            shares = np.exp(scores) / np.exp(scores).sum()
            heads.append(sum(share * (w_v @ x[s])[own] for share, s in zip(shares, seen, strict=True)))
        outputs.append(w_o @ np.concatenate(heads))
    return torch.from_numpy(np.stack(outputs))


@pytest.mark.parametrize("window", [2, 5, 64])
@pytest.mark.parametrize("hidden_size", [2, 6, 8])  # heads of one unit, of an odd number, of an even one
def test_equals_the_equations_in_numpy(window, hidden_size):
    module, x = make_cell(hidden_size, window=window), inputs(1, 9)
    expected = attention_in_numpy(module, x[0].numpy())
    for way in (module.sequence, module.loop):
        torch.testing.assert_close(way(x, module.initial_state(x))[0][0], expected)


def test_equals_torchs_attention_where_positions_do_not_turn():
    """With a base so large that all but the first pair of units stand still, and weights of zero for that."""
    module, x = make_cell(window=64, rotary_base=1e300), inputs(4, 9)
    with torch.no_grad():
        for layer in (module.query, module.key):
            layer.weight.view(HEADS, 2, 2, 3)[:, :, 0] = 0.0
    query, key, value = (
        layer(x).view(4, 9, HEADS, 4).transpose(1, 2) for layer in (module.query, module.key, module.value)
    )
    heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(run(module, x), module.output(heads.transpose(1, 2).flatten(2)))


def test_a_window_forgets_what_is_before_it_and_only_distances_count():
    """After another past, of a million steps: all that is new is read the same, once the past is away."""
    module, x = make_cell(window=5), inputs(2, 300)
    keys, values, count = module.initial_state(x)
    past = torch.randn_like(keys), torch.randn_like(values), count + 10**6
    for way in (module.sequence, module.loop):
        outputs, other = run(module, x), way(x, past)[0]
        assert (outputs[:, :4] - other[:, :4]).abs().amin(dim=(0, 2)).max() > 1e-3
        torch.testing.assert_close(other[:, 4:], outputs[:, 4:], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("window", [2, 5, 200])
def test_a_step_reads_its_window_and_no_more(window):
    module, x = make_cell(window=window), inputs(1, 300)
    for changed in (0, 150, 299):
        other = x.clone()
        other[:, changed] += 1.0
        differs = (run(module, x) != run(module, other)).any(dim=2)[0]
        assert differs.nonzero()[:, 0].tolist() == list(range(changed, min(300, changed + window)))


def test_a_window_as_long_as_the_sequence_is_full_attention():
    wide, narrow = make_cell(window=512), make_cell(window=150)
    narrow.load_state_dict(wide.state_dict())
    x = inputs(2, 150)
    torch.testing.assert_close(run(narrow, x), run(wide, x))
    longer = inputs(2, 151)
    assert not torch.allclose(run(narrow, longer)[:, -1], run(wide, longer)[:, -1])


@pytest.mark.parametrize("window", [2, 3, 150])
def test_sequence_step_and_cuts_agree_over_many_windows(window):
    """Outputs, states and gradients of a padded batch, from states in which some have read nothing."""
    module = recurrence({**SMALL, "window": window}, num_layers=2).double()
    lengths = torch.tensor([400, 1, 2, 130, 399])
    x = inputs(5, 400).requires_grad_()
    state = [
        (*(torch.randn_like(each).requires_grad_() for each in cache), torch.tensor([0, 1, 500, 0, 2]))
        for *cache, _ in module.initial_state(x)
    ]
    outputs, final = module(x, state, lengths)
    found = gradients(loss_of(outputs, final), module, x, state)
    module.execution = Execution.loop
    by_steps, final_of_steps = module(x, state, lengths)
    close([outputs, final], [by_steps, final_of_steps])
    close(found, gradients(loss_of(by_steps, final_of_steps), module, x, state))
    module.execution = Execution.parallel
    for cut in (1, 129, 399):
        first, middle = module(x[3:4, :cut], [_row(each, 3) for each in state])
        rest, after = module(x[3:4, cut:], middle)
        whole, expected = module(x[3:4], [_row(each, 3) for each in state])
        close([torch.cat([first, rest], dim=1), after], [whole, expected])


def _row(state, row):
    return tuple(tensor[row : row + 1] for tensor in state)


def test_memory_does_not_grow_with_the_square_of_the_length():
    """No mask of all steps against all steps: of 20,000, one of bytes would take 400 MB."""
    from unroll.cost.memory import peak_bytes

    module = recurrence({**SMALL, "window": 16})
    x = torch.randn(1, 20_000, 3)
    with torch.no_grad():
        assert peak_bytes(lambda: module(x), torch.device("cpu")) < 20e6


def test_half_precision_keeps_the_positions():
    """Angles of thousands of steps, in bfloat16, would be off by whole turns."""
    module, x = make_cell(window=8).float(), torch.randn(2, 12, 3)
    keys, values, count = module.initial_state(x)
    expected, _ = module.sequence(x, (keys, values, count + 4321))
    half = make_cell(window=8).to(torch.bfloat16)
    half.load_state_dict(module.state_dict())
    state = tuple(tensor.to(torch.bfloat16) for tensor in (keys, values))
    outputs, final = half.sequence(x.to(torch.bfloat16), (*state, count + 4321))
    assert outputs.dtype is final[0].dtype is torch.bfloat16
    assert final[2].tolist() == [4333, 4333]
    torch.testing.assert_close(outputs.float(), expected, rtol=0.1, atol=0.02)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("method", [Method.greedy, Method.beam])
def test_as_encoder_and_decoder_it_is_searched_with(bidirectional, method):
    """A batch decodes as each source alone does."""
    model = small_model(
        "seq2seq", token_spec(), cell=SMALL, embedding_size=5, bidirectional=bidirectional, num_layers=2
    )
    batch, config = token_batch([4, 1, 7]), SearchConfig(method=method, beam_size=3)
    together = model.decode(batch, config)
    for row in range(3):
        alone = model.decode(single(batch, row), config)
        assert alone.to_lists() == [together.to_lists()[row]]
        close(alone.log_probability, together.log_probability[row : row + 1])


def test_a_decoder_goes_on_from_what_its_encoder_has_read():
    """In one direction the cache is the encoder's own; of two it is projected, and counts its steps."""
    for bidirectional in (False, True):
        model = small_model(
            "seq2seq", token_spec(), cell=SMALL, embedding_size=5, bidirectional=bidirectional
        )
        batch = token_batch([4, 1, 7])
        _, ((keys, _, count),) = model.encode(batch)
        assert count.tolist() == [4, 1, 7]
        _, final, _ = model.encoder(batch.inputs, batch.lengths)
        assert torch.equal(keys, final[0][0]) is not bidirectional


def test_a_context_fills_the_whole_cache():
    module = make_cell()
    numbers = tuple(torch.randn(2, HEADS, WINDOW - 1, 4, dtype=torch.double) for _ in range(2))
    state = module.state_from((*numbers, torch.tensor([0, 1])))
    assert state[2].tolist() == [WINDOW - 1, 1]
    torch.testing.assert_close(state[:2], tuple(map(torch.tanh, numbers)))
    x = inputs(2, 1)
    outputs, _ = module.step(x[:, 0], state)
    other, _ = module.step(x[:, 0], (-state[0], -state[1], state[2]))
    assert (outputs != other).any(dim=1).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": None}, "model.cell.window=null: the state would grow with every step, .* give a number"),
        ({"window": 1}, r"model\.cell\.window=1: must be in \[2, 10\^6\]"),
        ({"rotary_base": 0.5}, "model.cell.rotary_base=0.5: must be a number above 1"),
        ({"heads": 0}, "model.cell.heads=0: must be in"),
        ({"heads": 3}, "model.hidden_size=8: is no multiple of model.cell.heads=3"),
    ],
)
def test_what_it_cannot_do_is_told_in_one_line(values, message):
    with pytest.raises(InputError, match=message) as caught:
        make_cell(**values)
    assert "\n" not in str(caught.value)
