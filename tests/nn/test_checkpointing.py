"""Long sequences in segments: checkpointed they give the same with less memory; truncated, what was asked."""

import resource
import subprocess
import sys

import pytest
import torch
from recurrences import CELLS, every_way, gradients, label, loss_of, random_state, recurrence

from unroll.config.components import Execution, InitialState, Padding
from unroll.cost.memory import kept_bytes, peak_bytes
from unroll.errors import InputError

LENGTHS = {"whole": None, "padded": [7, 1, 3, 6]}


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def twins(cell, checkpoint_steps, **options):
    """A recurrence, and one with the same weights that is checkpointed."""
    plain = recurrence(cell, **options)
    other = recurrence(cell, checkpoint_steps=checkpoint_steps, **options)
    other.load_state_dict(plain.state_dict())
    return plain, other


def everything(module, x, state, lengths):
    outputs, final = module(x, state, lengths)
    return outputs, final, gradients(loss_of(outputs, final), module, x, state)


@every_way
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_checkpointing_changes_no_output_state_or_gradient(cell, way, bidirectional, lengths):
    """Segments that do not divide the sequence, longer than it, and of √T steps."""
    if bidirectional and way["padding"] is Padding.packed:
        with pytest.raises(InputError, match=r"model\.checkpoint_steps=3: a packed kernel runs both"):
            recurrence(cell, bidirectional=True, checkpoint_steps=3, **way)
        return
    lengths = lengths and torch.tensor(lengths)
    x = torch.randn(4, 8, 3, requires_grad=True)
    for num_layers, steps in ((2, 3), (1, 20), (2, -1)):
        plain, other = twins(cell, steps, num_layers=num_layers, bidirectional=bidirectional, **way)
        state = random_state(plain, 4)
        close(everything(other, x, state, lengths), everything(plain, x, state, lengths))


def test_a_learned_initial_state_learns_through_all_segments():
    plain, other = twins({"name": "gru"}, 2, num_layers=2, initial_state=InitialState.learned)
    x = torch.randn(3, 7, 3)
    for module in (plain, other):
        module(x)[0][:, -1].sum().backward()
    close([p.grad for p in other.parameters()], [p.grad for p in plain.parameters()])
    assert all(parameter.grad.abs().sum() > 0 for parameter in other.learned_state)


@pytest.mark.parametrize("cell", CELLS, ids=label)
def test_dropout_is_drawn_the_same_in_both_passes(cell):
    plain, other = twins(cell, 3, num_layers=3, dropout=0.5)
    x = torch.randn(2, 8, 3, requires_grad=True)
    state = random_state(plain, 2)
    torch.manual_seed(5)
    pieces, after = [], state
    for piece in x.split(3, dim=1):  # segment after segment, as the dropout of the other is drawn
        outputs, after = plain(piece, after)
        pieces.append(outputs)
    expected = gradients(loss_of(torch.cat(pieces, dim=1), after), plain, x, state)
    torch.manual_seed(5)
    outputs, final = other(x, state)
    close(outputs, torch.cat(pieces, dim=1))
    torch.manual_seed(6)  # whatever is drawn between the two passes
    close(gradients(loss_of(outputs, final), other, x, state), expected)


@pytest.mark.parametrize("name", ["gru", "min_gru"])
@pytest.mark.parametrize("execution", [Execution.loop, Execution.auto])
def test_under_autocast_in_both_passes_or_in_the_first_alone(name, execution):
    plain, other = twins({"name": name}, 3, execution=execution)
    x, found = torch.randn(4, 8, 3), []
    for module in (plain, other, other):
        with torch.autocast("cpu", torch.bfloat16):
            outputs, _ = module(x)
            if len(found) == 1:
                outputs.square().sum().backward()
        if len(found) != 1:
            outputs.square().sum().backward()
        found.append([outputs, *(parameter.grad for parameter in module.parameters())])
        module.zero_grad()
    for one in found[1:]:
        torch.testing.assert_close(one, found[0], rtol=0.05, atol=0.05)
        assert all(gradient.abs().sum() > 0 for gradient in one[1:])


def test_nothing_is_computed_twice_without_a_backward_pass(monkeypatch):
    module = recurrence({"name": "gru"}, checkpoint_steps=3)
    monkeypatch.setattr("unroll.nn.recurrence.checkpointed", None)
    with torch.no_grad():
        module(torch.randn(2, 7, 3))
    x = torch.ones(1, 4, 3)
    assert torch.equal(recurrence({"name": "gru"}, num_layers=0, checkpoint_steps=3)(x)[0], x)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "min_gru"])
def test_what_is_kept_grows_with_the_root_of_the_length(name):
    plain, other = twins({"name": name}, -1, num_layers=2)

    def kept(module, time):
        x = torch.randn(2, time, 3)
        return kept_bytes(lambda: module(x)[0].sum(), besides=[x, *module.parameters()])

    assert kept(plain, 1024) > 12 * kept(plain, 64)
    assert kept(other, 1024) / kept(other, 64) == pytest.approx(4, rel=0.1)
    assert kept(other, 1024) < kept(plain, 1024) / 20


def test_the_peak_of_both_passes_is_lower_too():
    plain, other = twins({"name": "lstm"}, -1, num_layers=2)
    x = torch.randn(8, 400, 3)
    peaks = [peak_bytes(lambda m=m: m(x)[0].sum().backward(), torch.device("cpu")) for m in (plain, other)]
    assert peaks[1] < peaks[0] / 4


@pytest.mark.parametrize("cell", CELLS, ids=label)
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_truncated_segments_carry_the_state_and_no_gradient(cell, lengths):
    """Against one whole pass, and against a segment run alone from a state that is only numbers."""
    lengths = lengths and torch.tensor(lengths)
    module = recurrence(cell, num_layers=2)
    x, state = torch.randn(4, 8, 3), random_state(module, 4)
    whole, final = module(x, state, lengths)
    before = state
    for start, (outputs, after) in zip((0, 3, 6), module.truncated(x, 3, state, lengths), strict=True):
        piece = x[:, start : start + 3]
        close(outputs, whole[:, start : start + 3])
        assert not any(tensor.requires_grad for tensors in after for tensor in tensors)
        rows = torch.arange(4) if lengths is None else (lengths > start).nonzero()[:, 0]
        own = [tuple(tensor[rows].detach() for tensor in tensors) for tensors in before]
        remaining = None if lengths is None else (lengths[rows] - start).clamp(max=piece.shape[1])
        alone, _ = module(piece[rows], own, remaining)
        parameters = list(module.parameters())
        close(
            torch.autograd.grad(outputs.square().sum(), parameters, materialize_grads=True),
            torch.autograd.grad(alone.square().sum(), parameters, materialize_grads=True),
        )
        before = after
    close(before, [tuple(tensor.detach() for tensor in tensors) for tensors in final])


def test_truncated_segments_see_the_weights_of_their_moment():
    module = recurrence({"name": "gru"})
    segments = module.truncated(torch.ones(1, 4, 3), 2)
    _, state = next(segments)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    outputs, _ = next(segments)
    close(outputs, module(torch.ones(1, 2, 3), state)[0])


def test_both_directions_cannot_be_truncated():
    with pytest.raises(ValueError, match="cannot be truncated"):
        next(recurrence({"name": "gru"}, bidirectional=True).truncated(torch.ones(1, 4, 3), 2))


# For one backward pass over 8 × 100,000 steps, a GRU of 128 units would keep 7 vectors a step: 2.9 GB.
LONG = """
import sys, torch
from unroll.nn.recurrence import Recurrence
from unroll.config.registry import from_dict

torch.set_num_threads(1)
torch.manual_seed(0)
recurrence = Recurrence(from_dict("model/cell", {"name": "gru"}), 1, 128, checkpoint_steps=int(sys.argv[2]))
head = torch.nn.Linear(128, 1)
optimizer = torch.optim.Adam([*recurrence.parameters(), *head.parameters()], lr=1e-3)
x = torch.sin(torch.arange(100_001) / 5 + torch.arange(8)[:, None])[..., None]
losses = []
start = 0
for outputs, _ in recurrence.truncated(x[:, :-1], int(sys.argv[1])):
    loss = (head(outputs) - x[:, start + 1 : start + 1 + outputs.shape[1]]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    start += outputs.shape[1]
print(losses[0], losses[-1], start)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("segment", "checkpoint_steps"), [(500, 0), (100_000, -1)], ids=["truncated", "checkpointed"]
)
def test_a_sequence_of_100_000_steps_trains_in_two_gigabytes(segment, checkpoint_steps):
    command = [sys.executable, "-c", LONG, str(segment), str(checkpoint_steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, last, steps = map(float, done.stdout.split())
    assert steps == 100_000
    if checkpoint_steps == 0:  # 200 steps of the optimizer, not one
        assert last < first / 10
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 * 1024**2  # kilobytes
