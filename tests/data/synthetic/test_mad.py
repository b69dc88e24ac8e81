"""The tasks of the MAD suite, against answers looked up in the sequence."""

from collections import Counter
from itertools import groupby

import pytest

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.errors import InputError
from unroll.spec import IGNORED

SIZES = {"train_size": 60, "valid_size": 20, "test_size": 30}


def mad(name, seed=1, **values):
    return build_data(from_dict("data", {"name": name, **SIZES, **values}), seed)


def samples(data, *splits):
    """Tokens and answers of all samples of the splits, by name; None where there is no answer."""
    for split in splits or data.splits:
        for sample in data.splits[split].samples:
            assert len(sample.targets) == len(sample.inputs) == data.spec.length
            yield (
                [data.spec.input_vocabulary[token] for token in sample.inputs.tolist()],
                [
                    None if target == IGNORED else data.spec.target_vocabulary[target]
                    for target in sample.targets.tolist()
                ],
            )


def scored(answers):
    return [step for step, answer in enumerate(answers) if answer is not None]


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.9])
def test_noisy_recall_asks_for_keys_that_were_shown(noise):
    data = mad("noisy_recall", noise=noise)
    noisy = pairs = 0
    for tokens, answers in samples(data, "valid", "test"):
        assert len(tokens) == 127
        value_of = {}
        for step in range(0, 127, 2):
            key, value = int(tokens[step]), tokens[step + 1] if step < 126 else None
            pairs += 1
            assert answers[step - 1] is None or step == 0  # a value's step, or that of noise
            if key >= 16:
                noisy += 1
                assert int(value) >= 16
                assert answers[step] is None
                continue
            assert key < 8
            assert answers[step] == value_of.get(key)
            if value is not None:
                assert 8 <= int(value) < 16
                assert value_of.setdefault(key, value) == value
        assert answers[-1] is not None
    assert noisy / pairs == pytest.approx(noise * 62 / 64, abs=0.02)


def motifs(tokens):
    """Keys and values of a sequence of fuzzy recall: runs of key tokens (0 to 6) and value tokens."""
    return [tuple(run) for _, run in groupby(tokens, key=lambda token: int(token) < 7)]


def test_fuzzy_recall_asks_for_keys_that_were_shown():
    data = mad("fuzzy_recall")
    sizes = Counter()
    for split in ("valid", "test"):
        for tokens, answers in samples(data, split):
            text = [token for token in tokens if token != "_"]
            padding = len(tokens) - len(text)
            assert tokens[:padding] == ["_"] * padding
            assert padding < 2 * 6
            value_of, step = {}, padding
            runs = motifs(text)
            for number, (key, value) in enumerate(zip(runs[::2], [*runs[1::2], ()], strict=False)):
                assert len(key) == len(set(key)) == 3
                assert len(value) == len(set(value))
                ends = step + len(key) - 1
                assert answers[step:ends] == [None] * (len(key) - 1)
                known = value_of.get(key)
                if 2 * number >= len(runs) - 2:  # the last value, of which the last token is only an answer
                    assert known is not None
                    assert tuple(answers[ends:]) == known
                    sizes[len(known)] += 1
                    break
                told = answers[ends : ends + len(value)]
                assert told == (list(known) if known else [None] * len(value))
                assert value_of.setdefault(key, value) == value
                assert answers[ends + len(value)] is None
                step += len(key) + len(value)
    assert set(sizes) == {1, 2, 3}
    assert min(sizes.values()) > 10


def test_fuzzy_keys_have_all_sizes_in_training_alone():
    data = mad("fuzzy_recall")
    found = Counter()
    for tokens, _ in samples(data, "train"):
        found.update(len(run) for run in motifs([t for t in tokens if t != "_"]) if int(run[0]) < 7)
    assert set(found) == {1, 2, 3}
    assert min(found.values()) > 0.25 * found.total()


@pytest.mark.parametrize("name", ["noisy_recall", "fuzzy_recall"])
def test_training_scores_every_next_token_unless_told_otherwise(name):
    for tokens, answers in samples(mad(name), "train"):
        assert answers[:-1] == tokens[1:]
    answered = mad(name, train_every_step=False)
    for (tokens, answers), (same, every) in zip(
        samples(answered, "train"), samples(mad(name), "train"), strict=True
    ):
        assert tokens == same
        assert 0 < len(scored(answers)) < len(tokens)
        assert all(answers[step] == every[step] for step in scored(answers))


def test_memorise_has_one_table_for_all_sequences():
    data = mad("memorise", train_size=400)
    value_of = {}
    for tokens, answers in samples(data):
        assert tokens[1::2] == ["?"] * 16
        assert scored(answers) == list(range(1, 32, 2))
        for key, value in zip(tokens[::2], answers[1::2], strict=True):
            assert value_of.setdefault(key, value) == value
    assert set(value_of) == {str(number) for number in range(127)}
    assert len(set(value_of.values())) == 127
    assert all(127 <= int(value) < 255 for value in value_of.values())
    other = dict(zip(*next((t[::2], a[1::2]) for t, a in samples(mad("memorise", seed=2))), strict=True))
    assert any(value_of[key] != value for key, value in other.items())


def test_compress_asks_for_each_place_after_all_tokens():
    counts = Counter()
    for tokens, answers in samples(mad("compress")):
        assert tokens[31:] == [":", *(f"?{place}" for place in range(1, 32))]
        assert answers == [None] * 32 + tokens[:31]
        counts.update(tokens[:31])
    assert set(counts) == {str(number) for number in range(15)}
    assert max(counts.values()) < 1.2 * counts.total() / 15


@pytest.mark.parametrize("form", ["mad", "mamba"])
def test_selective_copy_asks_for_the_tokens_in_their_order(form):
    data = mad("selective_copy", form=form, length=64, tokens_to_copy=5, vocabulary_size=6)
    places = Counter()
    for tokens, answers in samples(data):
        asked = [":", *"_____"] if form == "mad" else [*":::::"]
        assert tokens[-len(asked) :] == asked
        content = tokens[: -len(asked)]
        assert set(content) <= set("0123_")
        kept = [token for token in content if token != "_"]
        assert len(kept) == 5
        assert answers == [None] * 59 + kept
        places.update(place for place, token in enumerate(content) if token != "_")
        if form == "mad":
            assert content[-1] != "_"
    if form == "mamba":
        assert set(places) == set(range(59))
        assert max(places.values()) < 3 * places.total() / 59


@pytest.mark.parametrize("name", ["noisy_recall", "fuzzy_recall", "memorise", "compress", "selective_copy"])
def test_samples_are_a_function_of_seed_split_and_index(name):
    def drawn(seed, split="train", **values):
        return [str(tokens) for tokens, _ in samples(mad(name, seed, **values), split)]

    assert drawn(1, train_size=20) == drawn(1)[:20]
    assert drawn(1, train_size=20) != drawn(2, train_size=20)
    splits = [set(drawn(1, split)) for split in ("train", "valid", "test")]
    assert len(set.union(*splits)) == 110


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("noisy_recall", {"vocabulary_size": 3}, "vocabulary_size=3: must be 4 or more"),
        ("noisy_recall", {"noise_vocabulary_size": 31}, "noise_vocabulary_size=31: must be 30 or less"),
        ("noisy_recall", {"length": 127}, "length=127: must be even, and 4 or more"),
        ("noisy_recall", {"noise": 1.0}, r"noise=1.0: must be in \[0, 1\)"),
        ("fuzzy_recall", {"key_size": 8}, "key_size=8: must be 7 or less"),
        ("fuzzy_recall", {"value_size": 9}, "value_size=9: must be 8 or less"),
        ("fuzzy_recall", {"length": 17}, "length=17: must be 18 or more"),
        ("memorise", {"length": 3}, "length=3: must be even, and 2 or more"),
        ("memorise", {"vocabulary_size": 2}, "vocabulary_size=2: must be 3 or more"),
        ("compress", {"vocabulary_size": 2}, "vocabulary_size=2: must be 3 or more"),
        ("compress", {"length": 1}, "length=1: must be 2 or more"),
        ("selective_copy", {"length": 33}, "length=33: must be 34 or more for tokens_to_copy=16"),
        ("selective_copy", {"vocabulary_size": 3}, "vocabulary_size=3: must be 4 or more"),
        ("selective_copy", {"form": "s4"}, "form: Invalid value 's4', expected one of"),
    ],
)
def test_bad_values_are_told(name, values, message):
    with pytest.raises(InputError, match=f"^data.{message}"):
        mad(name, **values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("noisy_recall", {"vocabulary_size": 4, "noise_vocabulary_size": 2, "length": 4}),
        ("fuzzy_recall", {"length": 18}),
        ("fuzzy_recall", {"key_size": 1, "value_size": 1, "length": 6}),
        ("memorise", {"vocabulary_size": 3, "length": 2}),
        ("compress", {"vocabulary_size": 3, "length": 2}),
        ("selective_copy", {"length": 34}),
        ("selective_copy", {"length": 34, "form": "mamba"}),
    ],
)
def test_the_smallest_that_is_allowed_can_be_drawn(name, values):
    assert len(list(samples(mad(name, **values)))) == 110
