"""The token sequence-to-sequence model: padding, teacher forcing, decoding, learning."""

import dataclasses

import pytest
import torch
from conftest import entries
from helpers import single, small_seq2seq, token_batch, token_spec
from recurrences import STRANGE, close, label, strange

from unroll.nn.search import Method, SearchConfig, allowed_scores
from unroll.spec import END, PAD

ALMOST_ONE = 1 - 1e-12  # runs the step loop, and yet every draw gives the true token

VARIANTS = [
    {
        "cell": {"name": cell},
        "attention": {"name": attention},
        "bidirectional": bidirectional,
        "num_layers": layers,
    }
    for cell in entries("model/cell")
    for attention in entries("model/attention")
    for bidirectional, layers in ((True, 1), (False, 2), (True, 2))
] + [
    {"cell": cell, "attention": {"name": "dot"}, "bidirectional": bidirectional, "num_layers": layers}
    for cell in STRANGE
    for bidirectional, layers in ((True, 1), (False, 2), (True, 2))
]
variants = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda v: f"{label(v['cell'])}-{v['attention']['name']}-{v['num_layers']}"
)


@variants
def test_fused_decoder_equals_the_step_loop(variant):
    model = small_seq2seq(**variant)
    batch = token_batch([5, 2, 4])
    fused, fused_weights = model(batch)
    looped, looped_weights = model(batch, ALMOST_ONE)
    close(looped, fused)
    close(looped_weights, fused_weights)


@variants
def test_padded_batch_equals_single_sequences(variant):
    """Scores, decoder's initial states and gradients."""
    model = small_seq2seq(**variant).double()
    batch = token_batch([5, 1, 4])
    logits, _ = model(batch)
    _, state = model.encode(batch)
    torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.targets.flatten(), ignore_index=PAD, reduction="sum"
    ).backward()
    together = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    model.zero_grad()
    for row in range(3):
        alone = single(batch, row)
        alone_logits, _ = model(alone)
        close(logits[row, : alone_logits.shape[1]], alone_logits[0])
        _, alone_state = model.encode(alone)
        close([[t[row] for t in s] for s in state], [[t[0] for t in s] for s in alone_state])
        torch.nn.functional.cross_entropy(
            alone_logits.flatten(0, 1), alone.targets.flatten(), reduction="sum"
        ).backward()
    close(together, [parameter.grad for parameter in model.parameters() if parameter.grad is not None])


@variants
def test_attention_puts_no_weight_on_padding(variant):
    model = small_seq2seq(**variant)
    batch = token_batch([5, 1, 4])
    _, weights = model(batch)
    if variant["attention"]["name"] == "none":
        assert weights is None
    else:
        assert (weights.masked_select(~batch.mask[:, None]) == 0).all()
        close(weights.sum(-1), torch.ones_like(weights[..., 0]))


@strange
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_beam_of_states_of_any_shape_is_that_of_each_sequence_alone(cell, bidirectional):
    model = small_seq2seq(cell=cell, num_layers=2, bidirectional=bidirectional)
    with torch.no_grad():
        model.decoder.output.weight *= 10  # sure of itself, and so of different lengths
    batch, config = (
        token_batch([5, 1, 4, 2]),
        SearchConfig(method=Method.beam, beam_size=4, length_penalty=1.0),
    )
    together = model.decode(batch, config)
    for row in range(4):
        alone = model.decode(single(batch, row), config)
        assert alone.to_lists() == [together.to_lists()[row]]
        close(alone.log_probability, together.log_probability[row : row + 1])
    assert model.decode(batch, SearchConfig(method=Method.beam, beam_size=1)).to_lists() == (
        model.decode(batch).to_lists()
    )


@pytest.mark.parametrize("method", list(Method))
def test_decoding_sees_no_target(method):
    model = small_seq2seq()
    batch = token_batch([5, 3])
    config = SearchConfig(method=method)
    torch.manual_seed(0)
    decoded = model.decode(batch, config).to_lists()
    torch.manual_seed(0)
    assert (
        model.decode(dataclasses.replace(batch, targets=None, target_lengths=None), config).to_lists()
        == decoded
    )


def test_without_teacher_forcing_the_decoder_reads_its_own_output():
    model = small_seq2seq(token_spec(max_target_length=6))
    batch = token_batch([5, 3, 1])
    logits, _ = model(batch, 0.0)
    changed = dataclasses.replace(batch, targets=torch.full_like(batch.targets, 5))
    assert torch.equal(model(changed, 0.0)[0], logits)
    decoded = model.decode(batch)
    for row, length in enumerate(decoded.lengths.tolist()):
        own = allowed_scores(logits[row]).argmax(-1)[:length].tolist()
        assert own
        assert own == decoded.tokens[row, : len(own)].tolist()


def test_teacher_forcing_draws_for_every_sequence_and_step():
    model = small_seq2seq()
    batch = token_batch([7] * 200)
    given = torch.stack([(model(batch, 0.5)[0] - model(batch)[0]).abs().amax(-1) < 1e-6 for _ in range(3)])
    at_second_step = given[:, :, 1].float().mean().item()
    # A step agrees with the fused run where the true token was drawn, or the model's own was the true one.
    assert 0.5 < at_second_step < 0.75
    assert not torch.equal(given[0], given[1])


def test_training_uses_the_configs_label_smoothing_and_teacher_forcing():
    batch = token_batch([4, 2])
    losses = {}
    for name, values in {
        "plain": {},
        "smooth": {"label_smoothing": 0.3},
        "own": {"teacher_forcing": {"ratio": 0.0}},
    }.items():
        torch.manual_seed(0)
        model = small_seq2seq(**values)
        losses[name] = model.loss(batch)
        logits = model(batch, 0.0 if name == "own" else 1.0)[0]
        close(losses[name], model._cross_entropy(batch, logits, values.get("label_smoothing", 0.0)))
    assert len({loss.item() for loss in losses.values()}) == 3


def test_label_smoothing_is_in_training_and_not_in_validation():
    plain, smooth = small_seq2seq(label_smoothing=0.0), small_seq2seq(label_smoothing=0.3)
    smooth.load_state_dict(plain.state_dict())
    batch = token_batch([4, 2])
    logits, _ = plain(batch)
    log_p = logits.log_softmax(-1)[batch.targets != PAD]
    truth = batch.targets[batch.targets != PAD]
    nll = -log_p.gather(1, truth[:, None]).mean()
    close(plain._cross_entropy(batch, logits), nll)
    close(smooth._cross_entropy(batch, logits, 0.3), 0.7 * nll - 0.3 * log_p.mean())


def test_metrics_do_not_depend_on_how_sequences_are_batched():
    model = small_seq2seq()
    batch = token_batch([6, 2, 5, 1, 3])
    logged = []
    for batches in ([batch], [single(batch, row) for row in range(5)]):
        for part in batches:
            model._evaluate(part, "valid", SearchConfig())
        metrics = model._metrics("valid")
        logged.append([metrics.loss.compute(), metrics.accuracy.compute(), *metrics.errors.compute()])
        metrics.reset()
    close(logged[0], logged[1])


def test_it_learns_to_copy_in_seconds():
    """Real learning: the loss of a tiny copy task goes to near zero, and greedy outputs are the inputs."""
    model = small_seq2seq(hidden_size=32, embedding_size=16).train()
    batch = token_batch([1, 2, 3, 4, 5, 6])
    end = torch.nn.functional.one_hot(batch.lengths, 7) * END
    inputs = torch.nn.functional.pad(batch.inputs, (0, 1))
    copy = dataclasses.replace(batch, targets=inputs + end, target_lengths=batch.lengths + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model._cross_entropy(copy, model(copy)[0])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02
    lists = model.eval().decode(copy).to_lists()
    assert lists == [row[:n] for row, n in zip(batch.inputs.tolist(), batch.lengths.tolist(), strict=True)]


def test_examples_and_attention_maps_are_text():
    model = small_seq2seq()
    batch = token_batch([3, 2])
    for example, length in zip(model.examples(batch), (3, 2), strict=True):
        assert len(example.inputs.split()) == length
        assert len(example.targets[0].split()) == length + 1
    for attention in model.attention_maps(batch):
        assert len(attention.weights) == len(attention.outputs)
        assert all(sum(row) == pytest.approx(1, abs=1e-5) for row in attention.weights)
        assert all(len(row) == len(attention.inputs) for row in attention.weights)
