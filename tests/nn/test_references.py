"""A second way to compute what is computed: cells in plain NumPy and in float64, metrics by hand."""

import math

import numpy as np
import pytest
import torch
from helpers import any_batch, any_spec, distance, small_model, small_seq2seq, token_batch
from recurrences import (
    CELLS,
    CLASSIC,
    MODERN,
    close,
    gradients,
    in_every_way,
    label,
    learnable,
    loss_of,
    random_state,
    recurrence,
    ways,
)
from torch.utils.data import DataLoader

from unroll.batch import SequenceBatch
from unroll.data.collate import Sample, collate
from unroll.nn.cells.base import is_learnable
from unroll.nn.search import allowed_scores
from unroll.spec import END, START, Alignment, Kind
from unroll.training.bare_trainer import bare_trainer, quiet

cells = pytest.mark.parametrize("cell", CELLS, ids=label)


def sigma(x):
    return 1 / (1 + np.exp(-x))


def elman_step(cell, x, h, f):
    return (f(cell["weight_ih"] @ x + cell["bias_ih"] + cell["weight_hh"] @ h[0] + cell["bias_hh"]),)


def gru_step(cell, x, h):
    """Cho et al. 2014 with the reset gate after the product, as cuDNN and torch have it."""
    (h,) = h
    w_r, w_u, w_n = np.split(cell["weight_ih"] @ x + cell["bias_ih"], 3)
    u_r, u_u, u_n = np.split(cell["weight_hh"] @ h + cell["bias_hh"], 3)
    reset, update = sigma(w_r + u_r), sigma(w_u + u_u)
    return ((1 - update) * np.tanh(w_n + reset * u_n) + update * h,)


def lstm_step(cell, x, state):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000."""
    h, c = state
    z = cell["weight_ih"] @ x + cell["bias_ih"] + cell["weight_hh"] @ h + cell["bias_hh"]
    i, f, g, o = np.split(z, 4)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    return sigma(o) * np.tanh(c), c


def g(x):
    return np.where(x >= 0, x + 0.5, sigma(x))


def min_gru_step(cell, x, h):
    """Feng et al. 2024, section 3.1: h = (1 - z) h + z g(h̃)."""
    z, new = np.split(cell["weight_ih"] @ x + cell["bias_ih"], 2)
    return ((1 - sigma(z)) * h[0] + sigma(z) * g(new),)


def min_lstm_step(cell, x, h):
    """Feng et al. 2024, section 3.2: f and i, over their sum."""
    f, i, new = np.split(cell["weight_ih"] @ x + cell["bias_ih"], 3)
    f, i = sigma(f), sigma(i)
    return (f / (f + i) * h[0] + i / (f + i) * g(new),)


STEPS = {
    "rnn": lambda *given: elman_step(*given, np.tanh),
    "rnn-relu": lambda *given: elman_step(*given, lambda x: np.maximum(x, 0)),
    "gru": gru_step,
    "lstm": lstm_step,
    "min_gru": min_gru_step,
    "min_lstm": min_lstm_step,
}


def by_hand(step, module, x, state):
    """One sequence (T, I) through all layers and directions: outputs (T, D·H), and final states."""
    finals = []
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(module.directions):
            index = layer * module.directions + direction
            cell = {name: value.detach().numpy() for name, value in module.cells[index].named_parameters()}
            now, steps = state[index], []
            for x_t in x[::-1] if direction else x:
                now = step(cell, x_t, now)
                steps.append(now[0])
            outputs.append(np.stack(steps[::-1] if direction else steps))
            finals.append(now)
        x = np.concatenate(outputs, axis=1)
    return x, finals


@in_every_way(CLASSIC)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str)
def test_a_batch_against_numpy_sequence_by_sequence(cell, way, bidirectional, dtype, tolerance):
    module = recurrence(cell, num_layers=2, bidirectional=bidirectional, **way).to(dtype)
    lengths = [5, 1, 8, 3]
    x, state = torch.randn(4, 8, 3, dtype=dtype), random_state(module, 4, dtype)
    with torch.no_grad():
        outputs, final = module(x, state, torch.tensor(lengths))
    module, x = module.double(), x.double()
    for row, length in enumerate(lengths):
        own = [tuple(tensor[row].detach().double().numpy() for tensor in tensors) for tensors in state]
        expected, expected_final = by_hand(STEPS[label(cell)], module, x[row, :length].numpy(), own)
        np.testing.assert_allclose(outputs[row, :length], expected, rtol=tolerance, atol=tolerance)
        for found, wanted in zip(final, expected_final, strict=True):
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one[row], other, rtol=tolerance, atol=tolerance)


@in_every_way(CELLS)
def test_float32_against_float64(cell, way):
    """Outputs, final states and gradients of 40 steps; the norm of a head takes a digit of a gradient."""
    most = 1e-4 if cell in MODERN else 1e-5
    module = recurrence(cell, num_layers=2, bidirectional=True, **way)
    x, lengths = torch.randn(3, 40, 3), torch.tensor([40, 1, 23])
    state = random_state(module, 3)
    found = []
    for dtype in (torch.float32, torch.float64):
        module, x = module.to(dtype), x.detach().to(dtype).requires_grad_()
        state = [tuple(as_precise(tensor, dtype) for tensor in tensors) for tensors in state]
        outputs, final = module(x, state, lengths)
        found.append([outputs, *learnable(final), *gradients(loss_of(outputs, final), module, x, state)])
    for single, double in zip(*found, strict=True):
        assert single.abs().dtype == torch.float32
        close(single.to(double.dtype), double, most)


def as_precise(tensor, dtype):
    """A leaf of that precision; complex where the tensor is, and a count as it is."""
    if not is_learnable(tensor):
        return tensor
    return tensor.detach().to(dtype.to_complex() if tensor.is_complex() else dtype).requires_grad_()


def test_every_cell_has_a_second_way():
    assert {label(cell) for cell in CLASSIC} == STEPS.keys()
    assert all(list(ways(cell)) for cell in CELLS)


def validated(model, batches):
    """The metrics of a validation over batches, as a run logs them."""
    with quiet():
        loader = DataLoader(batches, batch_size=None)
        return bare_trainer(accelerator="cpu").validate(model, loader, verbose=False)[0]


def test_metrics_of_written_tokens_by_hand():
    """Loss, perplexity, accuracy, exact matches and error rates over batches of 5, 1 and 3 sequences."""
    model = small_seq2seq()
    with torch.no_grad():  # so that outputs differ from one another, and end
        for parameter in model.parameters():
            parameter.mul_(4)
    batches = [
        half_right(model, token_batch(lengths, seed=len(lengths)))
        for lengths in ([3, 1, 4, 1, 5], [2], [6, 5, 3])
    ]
    nll = right = tokens = edits = wanted = exact = sequences = 0
    for batch in batches:
        for row in range(len(batch)):
            length, steps = int(batch.lengths[row]), int(batch.target_lengths[row])
            target = batch.targets[row, :steps].tolist()
            written, log_probabilities = alone(model, batch.inputs[row : row + 1, :length], target)
            nll -= sum(row[token] for row, token in zip(log_probabilities, target, strict=True))
            right += sum(
                row.index(max(row)) == token for row, token in zip(log_probabilities, target, strict=True)
            )
            tokens += steps
            edits += distance(written, target[:-1])
            wanted += steps - 1
            exact += written == target[:-1]
            sequences += 1
    assert 0 < exact < sequences
    found = validated(model, batches)
    assert found["valid/loss"] == pytest.approx(nll / tokens, rel=1e-5)
    assert found["valid/perplexity"] == pytest.approx(math.exp(nll / tokens), rel=1e-4)
    assert found["valid/token_accuracy"] == pytest.approx(right / tokens)
    assert found["valid/exact_match"] == pytest.approx(exact / sequences)
    assert found["valid/token_error_rate"] == pytest.approx(edits / wanted)
    assert found["valid/sequence_error_rate"] == pytest.approx(1 - exact / sequences)


def half_right(model, batch):
    """The batch with what the model writes as every other target."""
    written = model.decode(batch).to_lists()
    samples = []
    for row, (length, steps) in enumerate(zip(batch.lengths, batch.target_lengths, strict=True)):
        target = torch.tensor(written[row]) if row % 2 == 0 else batch.targets[row, : steps - 1]
        samples.append(Sample(row, batch.inputs[row, :length], target))
    return collate(samples, model.spec.signature)


def alone(model, inputs, target):
    """One sequence, one step at a time: what is written greedily, and log-probabilities given the target."""
    batch = SequenceBatch(index=torch.tensor([0]), inputs=inputs, lengths=torch.tensor([inputs.shape[1]]))
    with torch.no_grad():
        memory, start = model.encode(batch)
        state, previous, log_probabilities = start, START, []
        for token in target:
            logits, state, _ = model.decoder.step(torch.tensor([[previous]]), state, memory)
            log_probabilities.append(logits[0, 0].log_softmax(dim=-1).tolist())
            previous = token
        state, previous, written = start, START, []
        while len(written) < 12:  # one and a half times the spec's longest target
            logits, state, _ = model.decoder.step(torch.tensor([[previous]]), state, memory)
            previous = int(allowed_scores(logits[0, 0]).argmax())
            if previous == END:
                break
            written.append(previous)
    return written, log_probabilities


def test_metrics_of_steps_by_hand():
    """Loss and accuracy over the valid steps of batches of different sizes and lengths."""
    model = small_model("many_to_many", any_spec(Kind.TOKENS, Kind.CLASSES, Alignment.STEP))
    batches = [
        any_batch(model.spec, lengths, seed=len(lengths)) for lengths in ([3, 9, 4, 1, 5], [2], [6, 5, 3])
    ]
    losses, right = [], []
    for batch in batches:
        for row in range(len(batch)):
            length = int(batch.lengths[row])
            single = SequenceBatch(
                index=torch.tensor([0]),
                inputs=batch.inputs[row : row + 1, :length],
                lengths=torch.tensor([length]),
            )
            with torch.no_grad():
                scores = model(single)[0].double().numpy()
            for step, target in zip(scores, batch.targets[row].tolist(), strict=False):
                losses.append(np.log(np.exp(step).sum()) - step[target])
                right.append(step.argmax() == target)
    found = validated(model, batches)
    assert found["valid/loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["valid/accuracy"] == pytest.approx(np.mean(right))
