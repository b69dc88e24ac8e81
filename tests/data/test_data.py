"""Collation, masks, vocabularies, batches by length, and the data sets made of them."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import ROOT, entries
from file_data import PRESETS, preset_file
from helpers import shipped, token_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.batch import mask_from_lengths
from unroll.config.choices import choices
from unroll.config.registry import from_dict
from unroll.data.buckets import BucketedBatches
from unroll.data.collate import Sample, collate
from unroll.data.module import build_data
from unroll.data.prediction.inputs import text_inputs
from unroll.errors import InputError
from unroll.spec import END, IGNORED, PAD, SPECIAL_TOKENS, UNKNOWN, Alignment, DataSpec, Kind, Signature
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


CHOICES = choices(ROOT / "conf", "data")
SIZES = {"train_size": 50, "valid_size": 20, "test_size": 20}
SMALL = {
    **dict.fromkeys(("tokens", "sine", "adding", "copy_memory", "tagging", "generate"), SIZES),
    "formal_languages": {"train_size": 50, "valid_size": 20, "test_per_length": 1, "test_max_length": 60},
    **dict.fromkeys(("state_tracking", "recall"), SIZES),
    **dict.fromkeys(("fuzzy_recall", "noisy_recall", "memorise", "compress", "selective_copy"), SIZES),
    "induction": {"train_size": 50, "valid_size": 20, "test_per_length": 4},
    "words": {"train_size": 200, "valid_fraction": 0.002, "test_fraction": 0.002},
}


def small_data(name, **values):
    return build_data(from_dict("data", {"name": name, **SMALL.get(name, {}), **values}), 1)


def small_preset(preset, folder, **values):
    """The data set of a file in conf/data, with few samples; one that reads a file reads one in `folder`."""
    given = shipped(preset)
    if preset in PRESETS:
        given |= {**PRESETS[preset], "path": str(preset_file(folder, preset, given["task"]))}
    return small_data(**{**given, **SMALL.get(given["name"], {}), "batch_size": 16, **values})


def two_epochs(data):
    """The batches of each of two epochs."""
    loader = data.train_dataloader()
    epochs = []
    for epoch in range(2):
        loader.batch_sampler.set_epoch(epoch)
        epochs.append(list(loader))
    return epochs


def values_of(epochs):
    return [[(batch.index, batch.inputs, batch.targets) for batch in epoch] for epoch in epochs]


@pytest.mark.parametrize("preset", CHOICES)
def test_every_data_set_keeps_its_promises(preset, tmp_path):
    """The same twice; a new order every epoch; a spec that survives a checkpoint; batches that fit it."""
    data = small_preset(preset, tmp_path)
    spec = data.spec
    assert DataSpec.from_dict(spec.to_dict()) == spec
    assert_agrees_with_itself(spec)
    first, second = epochs = two_epochs(data)
    for batch in (*first, *second, *data.val_dataloader(), *data.test_dataloader()):
        assert_fits(batch, spec)
    if spec.signature.alignment is Alignment.UNALIGNED:
        assert max(batch.target_lengths.max() for batch in first) <= spec.max_target_length
    assert [batch.index.tolist() for batch in first] != [batch.index.tolist() for batch in second]
    again = two_epochs(small_preset(preset, tmp_path))
    torch.testing.assert_close(values_of(epochs), values_of(again), rtol=0, atol=0)


def assert_fits(batch, spec):
    """Shapes, types and ranges are as `SequenceBatch` and the spec say."""
    inputs, targets, kinds = batch.inputs, batch.targets, spec.signature
    tokens = kinds.inputs is Kind.TOKENS
    assert inputs.shape[2:] == (() if tokens else (spec.input_size,))
    assert inputs.dtype == (torch.int64 if tokens else torch.float32)
    assert not inputs[~batch.mask].any()
    if tokens:
        assert PAD < inputs[batch.mask].min() <= inputs.max() < spec.input_size
    if kinds.inputs is Kind.CONTEXT:
        assert inputs.shape[1] == 1
    assert batch.lengths.max() == inputs.shape[1]
    assert batch.lengths.min() >= 1
    assert spec.length == 0 or set(batch.lengths.tolist()) == {spec.length}
    if spec.letters:
        assert batch.characters.shape[:2] == inputs.shape
        assert batch.characters.max() < len(spec.letters)

    unaligned = kinds.alignment is Alignment.UNALIGNED
    assert (batch.target_lengths is not None) == unaligned
    steps = {Alignment.SEQUENCE: (), Alignment.STEP: (inputs.shape[1],)}
    assert targets.shape[0] == len(batch)
    per_step = (int(batch.target_lengths.max()),) if unaligned else steps[kinds.alignment]
    match kinds.targets:
        case Kind.TOKENS | Kind.CLASSES:
            assert targets.shape[1:] == per_step
            assert targets.dtype == torch.int64
            lowest = IGNORED if kinds.alignment is Alignment.STEP else 0
            assert lowest <= targets.min() <= targets.max() < spec.target_size
        case Kind.LABELS | Kind.CONTINUOUS:
            assert targets.shape[1:] == (*per_step, spec.target_size)
            assert targets.dtype == torch.float32
            assert targets.isfinite().all()
            assert kinds.targets is Kind.CONTINUOUS or set(targets.unique().tolist()) <= {0.0, 1.0}
    if unaligned and kinds.targets is Kind.TOKENS:
        assert targets[torch.arange(len(batch)), batch.target_lengths - 1].eq(END).all()


def assert_agrees_with_itself(spec):
    """Sizes are those of the vocabularies, and of the forecast."""
    if spec.signature.inputs is Kind.TOKENS:
        assert len(spec.input_vocabulary) == spec.input_size
        assert spec.input_vocabulary[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
    else:
        assert len(spec.input_names) in (0, spec.input_size)
    if spec.signature.targets is Kind.CONTINUOUS:
        assert len(spec.target_names) == spec.target_size
    else:
        assert len(spec.target_vocabulary) == spec.target_size
    if spec.target_inputs:
        at_once = spec.horizon if spec.signature.alignment is Alignment.SEQUENCE else 1
        assert spec.target_size == at_once * len(spec.target_inputs)
        if spec.signature.targets is Kind.CONTINUOUS:
            assert len(spec.naive_error) == len(spec.target_inputs)


@pytest.mark.parametrize("name", entries("data"))
def test_batches_are_the_same_whatever_the_number_of_workers(name, tmp_path):
    preset = next(preset for preset in CHOICES if shipped(preset)["name"] == name)
    one, other = (two_epochs(small_preset(preset, tmp_path, workers=workers)) for workers in (0, 2))
    torch.testing.assert_close(values_of(one), values_of(other), rtol=0, atol=0)


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
    spec = token_spec()
    (sample,) = text_inputs([("--text", f"  {text} ")], spec).samples
    assert Text(spec).input_text(sample.inputs.tolist()) == text


def test_an_unknown_token_is_shown_as_it_is_spelt():
    letters = (*SPECIAL_TOKENS, *"ab")
    spec = dataclasses.replace(token_spec(tokens=2), letters=letters)
    spelt = [[4, 5], [5, 5, 4, PAD]]
    assert Text(spec).input_text([4, UNKNOWN], spelt) == "t0 bba"


def test_too_few_sequences_to_test_on_are_told():
    with pytest.raises(InputError, match="train_size=200: the training set holds nearly all sequences"):
        small_data("tokens", train_size=200, max_length=2, vocabulary_size=2).spec  # noqa: B018


def test_unknown_and_empty_text_are_told():
    spec = token_spec(tokens=2)
    with pytest.raises(InputError, match=r"--text: 't9': not in the training data.* it knows: t0 t1"):
        text_inputs([("--text", "t0 t9")], spec)
    with pytest.raises(InputError, match="--text: has no tokens"):
        text_inputs([("--text", "  ")], spec)
