"""Search over a decoder that is a table: p(next | last token, time), so that the truth can be enumerated."""

import itertools

import pytest
import torch

from unroll.nn.search import Method, SearchConfig, beam_search, greedy_search, sample, search
from unroll.spec import END, PAD, START, UNKNOWN

VOCABULARY = 7  # the four special tokens and three more
REAL = [END, 4, 5, 6]


def table_decoder(batch, seed, sharpness=2.0):
    """A step whose scores depend on the source, the time and the last token; time is kept in the state."""
    generator = torch.Generator().manual_seed(seed)
    table = sharpness * torch.randn(batch, 12, VOCABULARY, VOCABULARY, generator=generator)
    state = [(torch.stack([torch.arange(batch).float(), torch.zeros(batch)], dim=1),)]

    def step(tokens, state):
        ((rows,),) = state
        source, time = rows[:, 0].long(), rows[:, 1].long()
        logits = table[source, time, tokens.flatten()].view(*tokens.shape, VOCABULARY)
        return logits, [(torch.stack([rows[:, 0], rows[:, 1] + 1], dim=1),)]

    return table, step, state


def starts(state):
    return torch.full((len(state[0][0]),), START)


def log_p(table, source, sequence):
    """Of a sequence that may or may not close with END."""
    scores = table[source].clone()
    scores[..., [PAD, START, UNKNOWN]] = float("-inf")
    total, last = 0.0, START
    for time, token in enumerate(sequence):
        total += scores[time, last].log_softmax(-1)[token].item()
        last = token
    return total


def exhaustive(table, source, max_length, length_penalty):
    """The best of all sequences that end within max_length."""
    inner = [token for token in REAL if token != END]
    ended = [(*body, END) for n in range(max_length) for body in itertools.product(inner, repeat=n)]
    return max(ended, key=lambda s: log_p(table, source, s) / len(s) ** length_penalty)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_wide_beam_is_exhaustive_search(seed, length_penalty):
    table, step, state = table_decoder(3, seed)
    decoded = beam_search(step, starts(state), state, 4, 400, length_penalty)
    for source in range(3):
        best = exhaustive(table, source, 4, length_penalty)
        assert decoded.to_lists()[source] == list(best[:-1])
        assert decoded.log_probability[source].item() == pytest.approx(log_p(table, source, best), abs=1e-4)


def slow_beam(table, source, max_length, beam_size, length_penalty):
    """What `beam_search` says it does, one hypothesis at a time."""

    def worth(hypothesis):
        return log_p(table, source, hypothesis) / len(hypothesis) ** length_penalty

    beam = [()]
    for _ in range(max_length):
        extended = [h if END in h else (*h, token) for h in beam for token in REAL]
        beam = sorted(dict.fromkeys(extended), key=worth, reverse=True)[:beam_size]
        if all(END in h for h in beam):
            break
    ended = [h for h in beam if END in h]
    return [token for token in max(ended or beam, key=worth) if token != END]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("beam_size", [2, 3, 5])
def test_narrow_beams_prune_by_worth_per_token(beam_size, length_penalty):
    table, step, state = table_decoder(40, 11)
    expected = [slow_beam(table, source, 9, beam_size, length_penalty) for source in range(40)]
    assert beam_search(step, starts(state), state, 9, beam_size, length_penalty).to_lists() == expected


@pytest.mark.parametrize("seed", range(20))
def test_beam_of_one_is_greedy(seed):
    _, step, state = table_decoder(5, seed)
    greedy, beam = (
        greedy_search(step, starts(state), state, 10),
        beam_search(step, starts(state), state, 10, 1),
    )
    assert beam.to_lists() == greedy.to_lists()
    torch.testing.assert_close(beam.log_probability, greedy.log_probability)


def test_a_hypothesis_that_ends_early_does_not_crowd_out_a_better_one():
    """Ending at once has p = 0.3; the sequence 4 4 4 has 0.7 · 0.9³ and is better, per token and in sum."""
    table = torch.full((1, 12, VOCABULARY, VOCABULARY), -20.0)
    table[0, 0, START, END], table[0, 0, START, 4] = 0.3, 0.7
    table[0, 1:3, 4, 4], table[0, 1:3, 4, END], table[0, 1:3, 4, 5] = 0.9, 0.05, 0.05
    table[0, 3, 4, END], table[0, 3, 4, 4] = 0.9, 0.1
    table = torch.where(table > 0, table.clamp(min=1e-9).log(), table)
    _, step, state = table_decoder(1, 0)

    def fixed(tokens, state):
        ((rows,),) = state
        logits = table[0, rows[:, 1].long(), tokens.flatten()].view(*tokens.shape, VOCABULARY)
        return logits, step(tokens, state)[1]

    for beam_size in (1, 2, 3, 10):
        assert beam_search(fixed, starts(state), state, 8, beam_size).to_lists() == [[4, 4, 4]]


@pytest.mark.parametrize("method", ["greedy", "sample", "beam"])
def test_each_sequence_stops_at_its_own_end(method):
    _, step, state = table_decoder(40, 3)
    decoded = search(SearchConfig(method=Method[method]), step, starts(state), state, 9)
    lengths = decoded.lengths.tolist()
    assert len(set(lengths)) > 2
    for row, length in zip(decoded.tokens, lengths, strict=True):
        assert not {PAD, START, END, UNKNOWN} & set(row[:length].tolist())
        assert (row[length:] == PAD).all()


@pytest.mark.parametrize("decode", [greedy_search, lambda *a: beam_search(*a, 3)])
def test_a_batch_is_decoded_as_each_source_alone(decode):
    _, step, state = table_decoder(8, 5)
    together = decode(step, starts(state), state, 9)
    for source in range(8):
        own = [tuple(t[source : source + 1] for t in s) for s in state]
        alone = decode(step, starts(own), own, 9)
        assert alone.to_lists()[0] == together.to_lists()[source]


def test_what_has_not_ended_is_cut_at_max_length():
    _, _, state = table_decoder(2, 0)

    def endless(tokens, state):
        logits = torch.zeros(*tokens.shape, VOCABULARY)
        logits[..., 4] = 9.0
        logits[..., END] = 5.0
        return logits, state

    assert greedy_search(endless, starts(state), state, 6).to_lists() == [[4] * 6] * 2
    assert beam_search(endless, starts(state), state, 6, 1).to_lists() == [[4] * 6] * 2
    # A wider beam also holds a hypothesis that has ended, and that one is preferred.
    assert all(len(tokens) < 6 for tokens in beam_search(endless, starts(state), state, 6, 2).to_lists())


def test_sampling_follows_the_probabilities_temperature_and_top_k():
    n = 20_000
    logits = torch.tensor([9.0, 9.0, -1e9, 9.0, 2.0, 1.0, 0.0])

    def step(tokens, state):
        return logits.expand(*tokens.shape, VOCABULARY), state

    state = [(torch.zeros(n, 1),)]
    for temperature, top_k in ((1.0, 0), (0.5, 0), (2.0, 2)):
        drawn = sample(
            step, starts(state), state, 1, temperature, top_k, torch.Generator().manual_seed(0)
        ).tokens[:, 0]
        expected = (logits[4:] / temperature).softmax(-1)
        if top_k:
            expected[top_k:] = 0
            expected = expected / expected.sum()
        frequency = torch.bincount(drawn, minlength=VOCABULARY)[4:] / n
        torch.testing.assert_close(frequency, expected, atol=0.02, rtol=0)
        assert (frequency[expected == 0] == 0).all()


def test_sampling_from_the_best_alone_is_greedy_and_seeds_repeat():
    _, step, state = table_decoder(10, 1)
    assert (
        sample(step, starts(state), state, 9, top_k=1).to_lists()
        == greedy_search(step, starts(state), state, 9).to_lists()
    )
    first, second = (
        sample(step, starts(state), state, 9, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert torch.equal(first.tokens, second.tokens)
