"""Many-to-one, many-to-many and seq2seq on values: padding, what counts, learning."""

import dataclasses

import pytest
import torch
from helpers import any_batch, any_spec, single, small_model
from recurrences import close, strange

from unroll.errors import InputError
from unroll.spec import IGNORED, Alignment, Kind

MODELS = {
    "many_to_one": Alignment.SEQUENCE,
    "many_to_many": Alignment.STEP,
    "seq2seq_continuous": Alignment.UNALIGNED,
}
CASES = [
    (model, inputs, targets)
    for model in MODELS
    for inputs in (Kind.CONTINUOUS, Kind.TOKENS)
    for targets in (Kind.CLASSES, Kind.LABELS, Kind.CONTINUOUS)
    if model != "seq2seq_continuous" or targets is Kind.CONTINUOUS
]
every_case = pytest.mark.parametrize(
    ("model", "inputs", "targets"), CASES, ids=lambda value: getattr(value, "value", value)
)
SCALES = {"input_mean": (1.0, 2.0, 3.0), "input_std": (0.5, 2.0, 4.0)}
VARIANTS = [
    {},
    {"bidirectional": True, "num_layers": 2},
    {"cell": {"name": "lstm"}, "initial_state": "learned"},
]


def make(model, inputs, targets, **values):
    scales = SCALES if inputs is Kind.CONTINUOUS else {}
    if targets is Kind.CONTINUOUS:
        scales = scales | {"target_mean": (1.0, 0.0, -5.0, 2.0), "target_std": (2.0, 1.0, 0.1, 3.0)}
    spec = any_spec(inputs, targets, MODELS[model], **scales)
    return small_model(model, spec, **values), spec


@every_case
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_padded_batch_gives_each_sequence_what_it_gets_alone(model, inputs, targets, variant):
    module, spec = make(model, inputs, targets, **variant)
    batch = any_batch(spec, [9, 1, 6])  # no batch is as long as there are classes
    outputs = module(batch)
    losses, counts = [], []
    for row in range(3):
        alone = single(batch, row)
        expected = module(alone)
        found = outputs[row : row + 1]
        if spec.signature.alignment is not Alignment.SEQUENCE:
            found = found[:, : expected.shape[1]]
        close(found, expected)
        losses.append(loss_of(module, alone))
        counts.append(rows_of(alone, spec))
    mean = sum(loss * n for loss, n in zip(losses, counts, strict=True)) / sum(counts)
    close(loss_of(module, batch), mean)


def rows_of(batch, spec):
    if spec.signature.alignment is Alignment.SEQUENCE:
        return len(batch)
    return int((batch.lengths if batch.target_lengths is None else batch.target_lengths).sum())


def loss_of(module, batch):
    """The loss that validation computes."""
    rows = module.rows(batch, module(batch))
    return module.target.loss(rows.outputs, rows.targets)


@every_case
def test_the_loss_that_trains_is_that_of_the_outputs(model, inputs, targets):
    """Also where only the steps that count pass the output layer."""
    module, spec = make(model, inputs, targets)
    batch = any_batch(spec, [9, 1, 6])
    if targets is Kind.CLASSES and spec.signature.alignment is Alignment.STEP:
        batch.targets[0, 1:8] = IGNORED
    rows = module.rows(batch, module.training_outputs(batch))
    close(module.loss(batch), module.target.loss(rows.outputs, rows.targets))
    if model == "many_to_many":
        passed = []
        module.output.register_forward_hook(lambda layer, inputs, output: passed.append(inputs[0].shape[:-1]))
        module.loss(batch)
        assert passed == [(len(rows.outputs),)]


@every_case
def test_values_in_the_padding_change_nothing_at_all(model, inputs, targets):
    module, spec = make(model, inputs, targets, bidirectional=True)
    batch = any_batch(spec, [9, 1, 6])
    other = dataclasses.replace(batch, inputs=batch.inputs.clone(), targets=batch.targets.clone())
    for row, length in enumerate(batch.lengths.tolist()):
        other.inputs[row, length:] = 5
        if spec.signature.alignment is Alignment.STEP:
            other.targets[row, length:] = 1
    assert loss_of(module, other).item() == loss_of(module, batch).item()
    for found, expected in zip(module.predict_step(other), module.predict_step(batch), strict=True):
        assert (found == expected).all()


@pytest.mark.parametrize(("inputs", "targets"), [case[1:] for case in CASES if case[0] == "many_to_many"])
def test_predictions_have_a_row_for_each_valid_step(inputs, targets):
    module, spec = make("many_to_many", inputs, targets)
    predictions = module.predict_step(any_batch(spec, [4, 2]))
    assert [prediction.shape for prediction in predictions] == [(4, 4), (2, 4)]
    if targets is Kind.CLASSES:
        assert predictions[0].sum(axis=1) == pytest.approx([1] * 4, abs=1e-5)


def test_ignored_steps_count_nowhere():
    module, spec = make("many_to_many", Kind.TOKENS, Kind.CLASSES)
    batch = any_batch(spec, [5, 3])
    batch.targets[0, 1:3] = IGNORED
    logits = module(batch).log_softmax(dim=-1)
    valid = [(0, 0), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2)]
    expected = -sum(logits[row, step, batch.targets[row, step]] for row, step in valid) / len(valid)
    close(loss_of(module, batch), expected)


def test_time_distributed_classifier_is_the_softmax_of_the_mean_of_dense_steps():
    """C7: shared dense layer, masked mean over time, softmax; no recurrence."""
    front_end = {"name": "time_distributed"}
    module, spec = make(
        "many_to_one", Kind.CONTINUOUS, Kind.CLASSES, num_layers=0, pooling="mean", front_end=front_end
    )
    batch = any_batch(spec, [5, 2])
    dense = module.backbone.front_end
    for row, length in enumerate((5, 2)):
        x = (batch.inputs[row, :length] - torch.tensor(SCALES["input_mean"])) / torch.tensor(
            SCALES["input_std"]
        )
        steps = torch.stack([dense(step[None, None])[0, 0] for step in x])
        expected = module.output(steps.mean(dim=0)).softmax(dim=-1)
        torch.testing.assert_close(torch.from_numpy(module.predict_step(batch)[row]), expected)
    assert not list(module.backbone.recurrence.parameters())


def test_simple_rnn_by_hand():
    """C6: zeros at first, h = tanh(W x + b + U h + c), a linear layer on the last step."""
    module, spec = make("many_to_one", Kind.CONTINUOUS, Kind.CONTINUOUS, cell={"name": "rnn"})
    batch = any_batch(spec, [6])
    cell = module.backbone.recurrence.cells[0]
    h = torch.zeros(8)
    for x in (batch.inputs[0] - torch.tensor(SCALES["input_mean"])) / torch.tensor(SCALES["input_std"]):
        h = torch.tanh(cell.weight_ih @ x + cell.bias_ih + cell.weight_hh @ h + cell.bias_hh)
    close(module(batch)[0], module.output.weight @ h + module.output.bias)


@pytest.mark.parametrize("model", ["many_to_one", "many_to_many", "seq2seq_continuous"])
def test_a_given_initial_state_replaces_the_models_own(model):
    module, spec = make(model, Kind.CONTINUOUS, Kind.CONTINUOUS)
    batch = any_batch(spec, [4, 4])
    zeros, ones = [(torch.zeros(2, 8),)], [(torch.ones(2, 8),)]
    torch.testing.assert_close(module(batch, state=zeros), module(batch))
    assert (module(batch, state=ones) - module(batch)).abs().max() > 1e-3


@strange
@pytest.mark.parametrize("bidirectional", [False, True])
def test_values_of_a_decoder_whose_states_have_other_shapes_than_the_encoders(cell, bidirectional):
    """The decoder reads 4 values, the encoder 3; a sequence in a batch is as alone, and the bridge learns."""
    options = {"cell": cell, "num_layers": 2, "bidirectional": bidirectional}
    spec = any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.UNALIGNED)
    module = small_model("seq2seq_continuous", spec, **options)
    batch = any_batch(spec, [7, 2])
    outputs = module(batch, steps=5)
    for row in range(2):
        close(module(single(batch, row), steps=5)[0], outputs[row])
    module.train()
    module.loss(batch).backward()
    for part in (module.bridge, module.decoder, module.output):
        assert all(parameter.grad.abs().sum() > 0 for parameter in part.parameters())


def test_values_are_forecast_from_the_models_own_outputs():
    """C4: no target is seen, there are as many steps as are asked for, and the first input is zeros."""
    module, spec = make("seq2seq_continuous", Kind.CONTINUOUS, Kind.CONTINUOUS)
    batch = any_batch(spec, [7, 2])
    nine = module(batch, steps=9)
    assert nine.shape == (2, 9, 4)
    close(module(dataclasses.replace(batch, targets=None, target_lengths=None), steps=9), nine)
    close(module(batch, steps=3), nine[:, :3])
    _, (state,) = module.encoder(batch)
    h, value = state[0], torch.zeros(2, 4)
    for step in range(3):
        h, _ = module.decoder.cells[0].step(value, (h,))
        value = module.output(h)
        close(nine[:, step], value)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_with_every_true_value_given_the_fused_decoder_equals_the_loop(cell):
    module, spec = make("seq2seq_continuous", Kind.CONTINUOUS, Kind.CONTINUOUS, cell={"name": cell})
    batch = any_batch(spec, [7, 2, 4])
    fused = module.training_outputs(batch)
    looped = module._decode(batch, batch.targets.shape[1], module.target.scaling(batch.targets), 1.0)
    close(looped, fused)
    assert (fused - module(batch)).abs().max() > 1e-3


@every_case
def test_a_small_set_is_learned_by_heart(model, inputs, targets):
    module, spec = make(model, inputs, targets, hidden_size=32)
    batch = any_batch(spec, [9, 3, 6, 5])
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    first = 0.0
    for step in range(200):
        optimizer.zero_grad()
        outputs = module(batch)
        rows = module.rows(batch, outputs)
        loss = module.target.loss(rows.outputs, rows.targets)
        loss.backward()
        optimizer.step()
        first = loss.item() if step == 0 else first
    assert loss.item() < first / 10


@every_case
def test_examples_are_readable(model, inputs, targets):
    module, spec = make(model, inputs, targets)
    for example in module.examples(any_batch(spec, [3, 2])):
        assert example.inputs
        assert example.predicted
        assert example.targets[0]
        assert example.graded is (targets is not Kind.CONTINUOUS)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"bidirectional": True}, "model.bidirectional=true: sees the next step"),
        ({"front_end": {"name": "conv"}}, "model.front_end.name=conv: sees the next step"),
        ({"front_end": {"name": "feature_conv"}}, "model.front_end.name=feature_conv: sees the next step"),
    ],
    ids=str,
)
def test_nothing_that_sees_the_next_step_may_forecast_it(values, told):
    spec = any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.STEP, target_inputs=(0, 1, 2), length=5)
    with pytest.raises(InputError, match=told):
        small_model("many_to_many", spec, **values)
    small_model("many_to_many", spec, front_end={"name": "conv", "causal": True})
    small_model("many_to_many", any_spec(Kind.CONTINUOUS, Kind.CLASSES, Alignment.STEP, length=5), **values)


@pytest.mark.parametrize("front_end", ["none", "mlp", "time_distributed", "conv"])
def test_a_forecast_does_not_depend_on_later_steps(front_end):
    values = {"name": front_end, **({"causal": True} if front_end == "conv" else {})}
    spec = any_spec(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.STEP, target_inputs=(0, 1, 2, 0))
    module = small_model("many_to_many", spec, front_end=values)
    batch = any_batch(spec, [6, 4])
    other = dataclasses.replace(batch, inputs=batch.inputs.clone())
    other.inputs[:, 3:] += 1.0
    found, expected = module(other), module(batch)
    torch.testing.assert_close(found[:, :3], expected[:, :3])
    assert (found[:, 3] - expected[:, 3]).abs().max() > 1e-4


@pytest.mark.parametrize("initial_state", ["zeros", "learned"])
@pytest.mark.parametrize("model", ["many_to_one", "many_to_many", "seq2seq_continuous", "seq2seq"])
def test_every_parameter_learns(model, initial_state):
    """One without a gradient would stop a run on several processes."""
    signature = (Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED)
    if model != "seq2seq":
        signature = (Kind.CONTINUOUS, Kind.CONTINUOUS, MODELS[model])
    spec = any_spec(*signature)
    values = {"num_layers": 2, "bidirectional": True, "initial_state": initial_state}
    module = small_model(model, spec, **values)
    batch = any_batch(spec, [5, 3])
    outputs = module(batch)[0] if model == "seq2seq" else module(batch)
    outputs.square().sum().backward()
    unused = [name for name, parameter in module.named_parameters() if parameter.grad is None]
    assert unused == []
