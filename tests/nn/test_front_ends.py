"""What happens to each step before the recurrence, in double precision: what differs by more is wrong."""

from functools import partial

import pytest
import torch
from conftest import entries
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.config.registry import build, from_dict
from unroll.errors import InputError
from unroll.nn.front_ends.time_distributed import TimeDistributed

VARIABLE = [
    {"name": "none"},
    {"name": "mlp"},
    {"name": "conv"},
    {"name": "conv", "causal": True},
    {"name": "conv", "kernel_size": 5},
    {"name": "conv", "kernel_size": 1},
    {"name": "time_distributed"},
]
"""Every front end for sequences of different lengths."""

variable = pytest.mark.parametrize("config", VARIABLE, ids=lambda config: "-".join(map(str, config.values())))
some_lengths = st.lists(st.integers(1, 6), min_size=1, max_size=4)
few = settings(max_examples=15, deadline=None)


def front_end(length=0, input_size=3, **config):
    return build(from_dict("model/front_end", config), input_size, length)


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def padded(sequences, extra=1, value=0.0):
    """A batch of sequences with `extra` more steps of padding than it needs."""
    time = max(map(len, sequences)) + extra
    batch = torch.full((len(sequences), time, *sequences[0].shape[1:]), value)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: len(sequence)] = sequence
    return batch, torch.tensor([len(sequence) for sequence in sequences])


# Every front end


def test_every_front_end_is_tested():
    assert {config["name"] for config in VARIABLE} | {"feature_conv"} == set(entries("model/front_end"))


@pytest.mark.parametrize("name", entries("model/front_end"))
@pytest.mark.parametrize(("batch", "time", "features"), [(1, 1, 1), (4, 1, 2), (1, 5, 3), (3, 7, 2)])
def test_shapes(name, batch, time, features):
    module = front_end(time, features, name=name)
    x = torch.randn(batch, time, features)
    assert module(x).shape == (batch, time, module.output_size)
    assert module(x, torch.full((batch,), time)).shape == (batch, time, module.output_size)


@variable
@few
@given(lengths=some_lengths)
def test_padding_changes_nothing(config, lengths):
    """Outputs and gradients are those of each sequence alone, whatever the padding holds."""
    module = front_end(**config)
    sequences = [torch.randn(length, 3) for length in lengths]
    x, counts = padded(sequences, value=1e4)
    other, _ = padded(sequences, value=-7.0)
    x.requires_grad_()
    valid = torch.arange(x.shape[1]) < counts[:, None]
    outputs = module(x, counts)
    assert torch.equal(outputs[valid], module(other, counts)[valid])

    outputs[valid].square().sum().backward()
    together = [parameter.grad for parameter in module.parameters()]
    module.zero_grad()
    for row, sequence in enumerate(sequences):
        alone = sequence[None].requires_grad_()
        single = module(alone)
        close(outputs[row, : len(sequence)], single[0])
        single.square().sum().backward()
        close(x.grad[row, : len(sequence)], alone.grad[0])
    assert (x.grad[~valid] == 0).all()
    close(together, [parameter.grad for parameter in module.parameters()])


# A1, A2, A3: the same network as a loop, by vmap and fused


def mlp(strategy):
    return front_end(name="mlp", hidden_size=5, output_size=4, strategy=strategy)


@few
@given(batch=st.integers(1, 4), time=st.integers(1, 7))
def test_mlp_strategies_agree(batch, time):
    """Checkpoints of one load in the others; outputs and gradients are the same, and the equation's."""
    modules = {strategy: mlp(strategy) for strategy in ("loop", "vmap", "fused")}
    weights = modules["loop"].state_dict()
    x, direction = torch.randn(batch, time, 3), torch.randn(batch, time, 4)
    w1, b1, w2, b2 = weights.values()
    expected = torch.empty(batch, time, 4)
    for b in range(batch):
        for t in range(time):
            expected[b, t] = w2 @ (w1 @ x[b, t] + b1).clamp(min=0) + b2

    gradients = []
    for module in modules.values():
        module.load_state_dict(weights)
        inputs = x.clone().requires_grad_()
        outputs = module(inputs)
        close(outputs, expected)
        (outputs * direction).sum().backward()
        gradients.append([inputs.grad, *(parameter.grad for parameter in module.parameters())])
    close(gradients[1], gradients[0])
    close(gradients[2], gradients[0])


@pytest.mark.parametrize(("strategy", "calls"), [("loop", [(2, 3)] * 6), ("fused", [(2, 6, 3)])])
def test_mlp_runs_as_its_strategy_says(strategy, calls):
    module, seen = mlp(strategy), []
    module.network[0].register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0].shape))
    module(torch.randn(2, 6, 3))
    assert seen == calls


def test_mlp_uses_vmap(monkeypatch):
    calls, vmap = [], torch.func.vmap

    def counted(*args, **kwargs):
        calls.append(kwargs)
        return vmap(*args, **kwargs)

    monkeypatch.setattr(torch.func, "vmap", counted)
    for strategy in ("loop", "fused", "vmap"):
        mlp(strategy)(torch.randn(2, 6, 3))
    assert calls == [{"in_dims": 1, "out_dims": 1}]


# A4: convolution along time


def reference_convolution(x, weight, bias, before, after):
    """Conv1d of one sequence (T, I), written out: zeros around it, one step at a time."""
    steps = torch.cat([x.new_zeros(before, x.shape[1]), x, x.new_zeros(after, x.shape[1])])
    taps = weight.shape[2]
    return torch.stack(
        [bias + sum(weight[:, :, k] @ steps[t + k] for k in range(taps)) for t in range(len(x))]
    )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_conv_is_two_convolutions(causal, kernel_size):
    module = front_end(name="conv", channels=5, output_size=4, kernel_size=kernel_size, causal=causal)
    w1, b1, w2, b2 = module.state_dict().values()
    before = kernel_size - 1 if causal else kernel_size // 2
    after = kernel_size - 1 - before
    x = torch.randn(6, 3)
    hidden = reference_convolution(x, w1, b1, before, after).clamp(min=0)
    close(module(x[None])[0], reference_convolution(hidden, w2, b2, before, after))


@pytest.mark.parametrize(("causal", "first", "last"), [(False, 3, 7), (True, 5, 9)])
def test_what_a_step_reaches(causal, first, last):
    """Two kernels of 3: two steps to either side, or four back and none ahead."""
    module = front_end(name="conv", causal=causal)
    x = torch.randn(1, 12, 3, requires_grad=True)
    other = x.detach().clone()
    other[0, 5] += 1
    changed = (module(x) != module(other)).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == list(range(first, last + 1))


def test_an_even_kernel_is_refused():
    for name in ("conv", "feature_conv"):
        with pytest.raises(InputError, match=r"model\.front_end\.kernel_size=4: must be odd"):
            from_dict("model/front_end", {"name": name, "kernel_size": 4})


# A5: any module on every step


class Pair(torch.nn.Module):
    """(N, 3) to (N, 2, 3)."""

    def forward(self, x):
        return torch.stack([x, x**2], dim=1)


MODULES = {
    "dense": (partial(torch.nn.Linear, 3, 4), (3,)),
    "images": (partial(torch.nn.Conv2d, 2, 3, kernel_size=3), (2, 5, 4)),
    "more axes out": (Pair, (3,)),
}


@pytest.mark.parametrize("name", MODULES)
@few
@given(lengths=some_lengths)
def test_time_distributed_is_a_loop_over_steps(name, lengths):
    """Padded, ragged and step by step: one result."""
    build_module, shape = MODULES[name]
    module = build_module()
    wrapped = TimeDistributed(module)
    sequences = [torch.randn(length, *shape) for length in lengths]
    x, counts = padded(sequences, value=float("nan"))
    outputs, ragged = wrapped(x, counts), wrapped(sequences)
    assert [len(sequence) for sequence in ragged] == lengths
    for row, sequence in enumerate(sequences):
        expected = torch.stack([module(step[None])[0] for step in sequence])
        close(outputs[row, : len(sequence)], expected)
        assert (outputs[row, len(sequence) :] == 0).all()
        close(ragged[row], expected)
        close(wrapped(torch.stack([sequence, 2 * sequence]))[0], expected)


def test_time_distributed_takes_tokens():
    embedding = torch.nn.Embedding(9, 4)
    tokens, lengths = torch.randint(0, 9, (2, 3)), torch.tensor([3, 1])
    outputs = TimeDistributed(embedding)(tokens, lengths)
    assert torch.equal(outputs[0], embedding(tokens[0]))


def test_time_distributed_trains_through_padding():
    module = TimeDistributed(torch.nn.Linear(3, 2))
    x, lengths = torch.randn(2, 4, 3, requires_grad=True), torch.tensor([4, 1])
    module(x, lengths).sum().backward()
    column_sums = module.module.weight.detach().sum(dim=0)
    close(x.grad[0], column_sums.expand(4, 3))
    close(x.grad[1, 0], column_sums)
    assert (x.grad[1, 1:] == 0).all()
    close(module.module.bias.grad, torch.full((2,), 5.0))


@pytest.mark.parametrize("ragged", [False, True])
def test_batch_norm_counts_the_valid_steps_only(ragged):
    sequences = [torch.randn(length, 3) + 5 for length in (4, 1, 2)]
    module = TimeDistributed(torch.nn.BatchNorm1d(3, momentum=1.0))
    module(sequences) if ragged else module(*padded(sequences, extra=3, value=1e6))
    steps = torch.cat(sequences)
    close(module.module.running_mean, steps.mean(dim=0))
    close(module.module.running_var, steps.var(dim=0))


@pytest.mark.parametrize("activation", ["relu", "tanh", "none"])
def test_shared_dense_layer(activation):
    module = front_end(name="time_distributed", output_size=4, activation=activation)
    weight, bias = module.state_dict().values()
    function = {"relu": lambda z: z.clamp(min=0), "tanh": torch.tanh, "none": lambda z: z}[activation]
    x = torch.randn(2, 5, 3)
    outputs = module(x, torch.tensor([5, 2]))
    for b, t in [(0, 0), (0, 4), (1, 1)]:
        close(outputs[b, t], function(weight @ x[b, t] + bias))


# A6: convolution across features


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_feature_conv_by_hand(kernel_size):
    """Filter f at feature i sums over all steps t and the taps around i; then steps are mixed of filters."""
    time, features, filters = 5, 4, 3
    module = front_end(time, features, name="feature_conv", filters=filters, kernel_size=kernel_size)
    across, across_bias, back, back_bias = module.state_dict().values()
    x = torch.randn(2, time, features)
    expected = torch.empty(2, time, features)
    half = kernel_size // 2
    for b in range(2):
        hidden = across_bias[:, None].repeat(1, features)
        for f in range(filters):
            for i in range(features):
                for k in range(kernel_size):
                    if 0 <= i + k - half < features:
                        hidden[f, i] += across[f, :, k] @ x[b, :, i + k - half]
        expected[b] = back[:, :, 0] @ hidden.clamp(min=0) + back_bias[:, None]
    close(module(x), expected)
    close(module(x, torch.tensor([time, time])), expected)


NEEDS_ONE_LENGTH = (
    r"^model\.front_end\.name=feature_conv: needs sequences of one length, and {}; take data of fixed length"
)


def test_feature_conv_refuses_data_of_different_lengths():
    with pytest.raises(InputError, match=NEEDS_ONE_LENGTH.format("those of this data differ")):
        front_end(0, name="feature_conv")


@pytest.mark.parametrize(("time", "lengths"), [(4, None), (6, None), (5, [5, 3]), (5, [3, 3]), (6, [5, 5])])
def test_feature_conv_refuses_a_batch_of_other_lengths(time, lengths):
    module = front_end(5, name="feature_conv")
    other = min({time, *(lengths or [])} - {5})
    reason = f"this model is built for 5 steps, not {other}"
    with pytest.raises(InputError, match=NEEDS_ONE_LENGTH.format(reason)) as refusal:
        module(torch.randn(2, time, 3), None if lengths is None else torch.tensor(lengths))
    assert "\n" not in str(refusal.value)
