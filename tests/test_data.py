"""Collation, masks, vocabularies, batches by length, and the data sets made of them."""

import numpy as np
import pytest
import torch
from conftest import entries
from helpers import token_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.batch import mask_from_lengths
from unroll.data.base import build_data
from unroll.data.batching import BucketedBatches
from unroll.data.collate import Sample, collate
from unroll.errors import InputError
from unroll.registry import from_dict
from unroll.spec import END, PAD, SPECIAL_TOKENS, UNKNOWN, Alignment, DataSpec, Kind, Signature
from unroll.text import Text
from unroll.vocabulary import Vocabulary

PAIRS = Signature(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED)
ids = st.lists(st.integers(4, 9), min_size=1, max_size=8)


@given(pairs=st.lists(st.tuples(ids, ids), min_size=1, max_size=6))
def test_collation_keeps_every_token_and_pads_the_rest(pairs):
    batch = collate(
        [Sample(i, torch.tensor(inputs), torch.tensor(targets)) for i, (inputs, targets) in enumerate(pairs)],
        PAIRS,
    )
    assert batch.inputs.shape == (len(pairs), max(len(inputs) for inputs, _ in pairs))
    for row, (inputs, targets) in enumerate(pairs):
        assert batch.inputs[row, : batch.lengths[row]].tolist() == inputs
        assert batch.targets[row, : batch.target_lengths[row]].tolist() == [*targets, END]
        assert (batch.inputs[row, len(inputs) :] == PAD).all()
        assert (batch.targets[row, len(targets) + 1 :] == PAD).all()
        assert batch.mask[row].tolist() == [t < len(inputs) for t in range(batch.inputs.shape[1])]


@given(rows=st.lists(st.integers(1, 5), min_size=1, max_size=5), features=st.integers(1, 3))
def test_collation_of_continuous_values_pads_with_zeros(rows, features):
    batch = collate([Sample(i, torch.ones(length, features)) for i, length in enumerate(rows)], PAIRS)
    assert batch.inputs.shape == (len(rows), max(rows), features)
    assert batch.inputs.sum(dim=(1, 2)).tolist() == [length * features for length in rows]
    assert batch.targets is None


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_mask_is_true_on_the_valid_steps_alone(lengths):
    mask = mask_from_lengths(torch.tensor(lengths), 9)
    assert mask.sum(1).tolist() == lengths
    assert (mask.int().diff(dim=1) <= 0).all()


@given(
    sequences=st.lists(st.lists(st.text(min_size=1, max_size=3).filter(lambda t: t not in SPECIAL_TOKENS)))
)
def test_vocabulary_decodes_what_it_encodes_in_any_order(sequences):
    vocabulary = Vocabulary.from_sequences(sequences)
    for sequence in sequences:
        assert vocabulary.decode(vocabulary.encode(sequence)) == sequence
    assert vocabulary.tokens == Vocabulary.from_sequences(reversed(sequences)).tokens
    assert vocabulary.encode(["never seen"]) == [UNKNOWN]
    assert vocabulary.tokens[:4] == SPECIAL_TOKENS


def test_vocabulary_refuses_what_is_none():
    with pytest.raises(ValueError, match="begins with"):
        Vocabulary(["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="once"):
        Vocabulary([*SPECIAL_TOKENS, "a", "a"])


lengths = st.lists(st.integers(1, 50), min_size=8, max_size=200)


@given(lengths=lengths, size=st.integers(1, 9), pool=st.integers(0, 5), shuffle=st.booleans())
def test_every_sample_is_in_one_batch_of_every_epoch(lengths, size, pool, shuffle):
    batches = BucketedBatches(lengths, size, pool=pool, shuffle=shuffle)
    for epoch in range(2):
        batches.set_epoch(epoch)
        drawn = list(batches)
        assert len(drawn) == len(batches)
        assert sorted(i for batch in drawn for i in batch) == list(range(len(lengths)))
        assert max(map(len, drawn)) <= size
        assert max(map(len, drawn)) - min(map(len, drawn)) <= 1


@given(lengths=lengths, size=st.integers(1, 9), world=st.integers(2, 4), shuffle=st.booleans())
def test_processes_share_an_epoch_without_loss_or_duplicate(lengths, size, world, shuffle):
    parts = [
        list(BucketedBatches(lengths, size, shuffle=shuffle, rank=rank, world_size=world))
        for rank in range(world)
    ]
    assert len({len(part) for part in parts}) == 1
    assert all(batch for part in parts for batch in part)
    assert sorted(i for part in parts for batch in part for i in batch) == list(range(len(lengths)))


def test_order_is_a_function_of_seed_and_epoch():
    lengths = np.random.default_rng(0).integers(1, 40, 500).tolist()

    def order(seed, epoch):
        batches = BucketedBatches(lengths, 16, seed=seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_bucketing_saves_padding_and_keeps_batches_in_random_order():
    lengths = np.random.default_rng(0).lognormal(3.2, 0.8, 5000).astype(int) + 1
    lengths = lengths.tolist()

    def share_of_real_tokens(pool):
        drawn = list(BucketedBatches(lengths, 32, pool=pool))
        padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in drawn)
        return sum(lengths) / padded

    assert share_of_real_tokens(0) < 0.4
    assert share_of_real_tokens(50) > 0.85
    longest = [max(lengths[i] for i in batch) for batch in BucketedBatches(lengths, 32, pool=50)]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.3


SMALL = {
    "tokens": {"train_size": 50, "valid_size": 20, "test_size": 20},
    "words": {"train_size": 200},
}


def small_data(name, **values):
    return build_data(from_dict("data", {"name": name, **SMALL.get(name, {}), **values}), 1)


@pytest.mark.parametrize("name", entries("data"))
def test_every_data_set_keeps_its_promises(name):
    """The same twice, whatever the workers; a spec that survives a checkpoint; batches that fit it."""
    orders = []
    for workers in (0, 0, 2):
        data = small_data(name, workers=workers, batch_size=16)
        spec = data.spec
        assert DataSpec.from_dict(spec.to_dict()) == spec
        loader = data.train_dataloader()
        batches = []
        for epoch in range(2):
            loader.batch_sampler.set_epoch(epoch)
            batches += [(batch.index, batch.inputs, batch.targets) for batch in loader]
        orders.append(batches)
        for batch in (next(iter(data.test_dataloader())), next(iter(loader))):
            assert batch.inputs.max() < spec.input_size
            assert batch.targets.max() < spec.target_size
        assert all(len(sample.targets) < spec.max_target_length for sample in data.splits["train"].samples)
    torch.testing.assert_close(orders[0], orders[1], rtol=0, atol=0)
    torch.testing.assert_close(orders[0], orders[2], rtol=0, atol=0)
    epoch = len(orders[0]) // 2
    assert [b[0].tolist() for b in orders[0][:epoch]] != [b[0].tolist() for b in orders[0][epoch:]]


def test_making_a_loader_leaves_the_global_random_state_alone():
    data = small_data("tokens")
    before = torch.get_rng_state()
    next(iter(data.train_dataloader()))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("task", "answer"),
    [("copy", list), ("reverse", lambda x: x[::-1]), ("sort", sorted)],
    ids=["copy", "reverse", "sort"],
)
def test_token_tasks(task, answer):
    data = small_data("tokens", task=task, train_size=500)
    for split in data.splits.values():
        for sample in split.samples:
            assert sample.targets.tolist() == answer(sample.inputs.tolist())
    lengths = data.splits["train"].lengths
    assert (min(lengths), max(lengths)) == (1, 20)


def test_test_sequences_are_unseen():
    data = small_data("tokens", train_size=2000, max_length=4, vocabulary_size=8, test_size=300)
    train, test = (
        {tuple(s.inputs.tolist()) for s in data.splits[name].samples} for name in ("train", "test")
    )
    assert not train & test


@settings(deadline=None)
@given(text=st.lists(st.sampled_from(["t0", "t1", "t2"]), min_size=1).map(" ".join))
def test_text_is_cut_and_joined_as_the_data_was(text):
    codec = Text(token_spec())
    assert codec.input_text(codec.encode(f"  {text} ")) == text


def test_too_few_sequences_to_test_on_are_told():
    with pytest.raises(InputError, match="train_size=200: the training set holds nearly all sequences"):
        small_data("tokens", train_size=200, max_length=2, vocabulary_size=2).spec  # noqa: B018


def test_unknown_and_empty_text_are_told():
    codec = Text(token_spec(tokens=2))
    with pytest.raises(
        InputError, match="'t9' in 't0 t9': the model does not know this token; it knows: t0 t1"
    ):
        codec.encode("t0 t9")
    with pytest.raises(InputError, match="empty"):
        codec.encode("  ")
