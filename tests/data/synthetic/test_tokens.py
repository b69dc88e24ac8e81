"""Synthetic tokens: classes of sequences, tagging, and sequences from a vector."""

from collections import Counter
from itertools import pairwise

import pytest
import torch

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.data.synthetic.tagging import AMBIGUOUS_SUFFIX, DETERMINERS, FOLLOWERS, SUFFIXES
from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, UNKNOWN

SIZES = {"train_size": 400, "valid_size": 40, "test_size": 60}


def data(name, seed=1, **values):
    return build_data(from_dict("data", {"name": name, **SIZES, **values}), seed)


def words(sample, spec):
    """The words of a sentence, read from their letters."""
    return ["".join(spec.letters[letter] for letter in word) for word in sample.characters]


def tags(sample, spec):
    return [spec.target_vocabulary[tag] for tag in sample.targets]


def test_majority_is_the_most_frequent_token_and_the_smallest_of_several():
    made = data("tokens", task="majority", vocabulary_size=4, max_length=9)
    ties = 0
    for split in made.splits.values():
        for sample in split.samples:
            counts = Counter(int(made.spec.input_vocabulary[token]) for token in sample.inputs)
            most = [token for token, count in counts.items() if count == max(counts.values())]
            ties += len(most) > 1
            assert made.spec.target_vocabulary[sample.targets] == str(min(most))
    assert ties > 50
    assert made.spec.target_size == 4


def test_parity_counts_the_ones():
    made = data("tokens", task="parity", vocabulary_size=2)
    answers = Counter()
    for sample in made.splits["train"].samples:
        text = "".join(made.spec.input_vocabulary[token] for token in sample.inputs)
        assert set(text) <= {"0", "1"}
        expected = "odd" if text.count("1") % 2 else "even"
        assert made.spec.target_vocabulary[sample.targets] == expected
        answers[expected] += 1
    assert min(answers.values()) > 150
    assert made.spec.target_vocabulary == ("even", "odd")


@pytest.mark.parametrize("name", ["tokens", "tagging", "generate"])
def test_samples_are_a_function_of_seed_split_and_index(name):
    def train(seed, size):
        values = {"max_stride": 9} if name == "generate" else {}
        samples = data(name, seed, train_size=size, **values).splits["train"].samples
        # Words are known or not by how often they are met, but their letters and tags stay the same.
        return [(s.characters or s.inputs.tolist(), s.targets.tolist()) for s in samples]

    assert train(1, 100) == train(1, 400)[:100]
    assert train(1, 100) != train(2, 100)
    made = data(name)
    first = [made.splits[split].samples[0].targets.tolist() for split in ("train", "valid", "test")]
    assert first[0] != first[1] or first[1] != first[2]


@pytest.mark.parametrize(("low", "high", "length"), [(3, 3, 3), (3, 7, 0)])
@pytest.mark.parametrize("name", ["tokens", "tagging"])
def test_lengths_are_those_asked_for(name, low, high, length):
    made = data(name, min_length=low, max_length=high)
    assert set(made.splits["train"].lengths) == set(range(low, high + 1))
    assert made.spec.length == length


def tag_by_hand(word, previous):
    """The tag of a word by the rules alone, given that of the word before it."""
    if word in DETERMINERS:
        return "determiner"
    if word.endswith(AMBIGUOUS_SUFFIX):
        return "noun" if previous in ("determiner", "adjective") else "verb"
    (tag,) = (tag for tag, suffix in SUFFIXES.items() if word.endswith(suffix))
    return tag


def test_tags_follow_from_spelling_and_the_tag_before():
    made = data("tagging")
    ambiguous = Counter()
    after_ambiguous = Counter()
    for split in made.splits.values():
        for sample in split.samples:
            sentence, right = words(sample, made.spec), tags(sample, made.spec)
            previous = "verb"
            for word, tag in zip(sentence, right, strict=True):
                assert tag in FOLLOWERS[previous]
                assert tag == tag_by_hand(word, previous)
                previous = tag
                if word.endswith(AMBIGUOUS_SUFFIX):
                    ambiguous[tag] += 1
            for word, following in pairwise(sentence):
                if word.endswith(AMBIGUOUS_SUFFIX) and following.endswith(AMBIGUOUS_SUFFIX):
                    after_ambiguous[following] += 1
    # Neither spelling nor the words beside it are enough: both readings occur, one after the other too.
    assert min(ambiguous["noun"], ambiguous["verb"]) > 100
    assert after_ambiguous.total() > 20


def test_most_test_words_were_never_seen_and_the_vocabulary_is_of_the_training_split():
    made = data("tagging", train_size=2_000, test_size=200)
    spec = made.spec
    train = Counter(word for sample in made.splits["train"].samples for word in words(sample, spec))
    test = [word for sample in made.splits["test"].samples for word in words(sample, spec)]
    assert sum(word not in train for word in test) > len(test) / 2
    assert set(spec.input_vocabulary) == {
        *SPECIAL_TOKENS,
        *(word for word, count in train.items() if count >= 2),
    }
    for split in made.splits.values():
        for sample in split.samples:
            for token, word in zip(sample.inputs.tolist(), words(sample, spec), strict=True):
                assert token == UNKNOWN if train[word] < 2 else spec.input_vocabulary[token] == word


def test_the_vocabulary_keeps_the_most_frequent_words():
    made = data("tagging", max_vocabulary=5, min_count=1)
    train = Counter(word for sample in made.splits["train"].samples for word in words(sample, made.spec))
    kept = made.spec.input_vocabulary[len(SPECIAL_TOKENS) :]
    assert len(kept) == 5
    assert sorted(train[word] for word in kept) == sorted(count for _, count in train.most_common(5))


def test_batches_of_sentences_carry_their_spelling():
    made = data("tagging", batch_size=16)
    batch = next(iter(made.test_dataloader()))
    assert made.spec.letters[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
    assert batch.characters.shape[:2] == batch.inputs.shape
    assert (batch.characters[..., 0] != 0).equal(batch.mask)


def test_a_vector_determines_a_progression():
    made = data("generate", vocabulary_size=12, max_stride=5, min_length=2, max_length=9)
    for split in made.splits.values():
        for sample in split.samples:
            assert sample.inputs.shape == (1, 3)
            assert 0 <= sample.inputs.min() <= sample.inputs.max() <= 1
            start, stride, length = sample.inputs[0].tolist()
            expected, value = [], round(start * 11)
            for _ in range(round(2 + length * 7)):
                expected.append(str(value))
                value = (value + round(1 + stride * 4)) % 12
            assert [made.spec.target_vocabulary[token] for token in sample.targets] == expected
    assert made.spec.max_target_length == 9 + 1
    assert made.spec.length == 1


def test_vectors_to_test_on_are_unseen():
    made = data("generate", valid_size=30, test_size=70)
    train, valid, test = (
        {tuple(sample.inputs[0].tolist()) for sample in split.samples} for split in made.splits.values()
    )
    assert len(valid) == 30
    assert len(test) == 70
    assert not train & valid
    assert not train & test
    assert not valid & test
    assert not torch.equal(*(data("generate", seed).splits["test"].samples[0].inputs for seed in (1, 2)))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("tokens", {"task": "parity"}, "data.vocabulary_size=20: must be 2 for parity"),
        ("tokens", {"vocabulary_size": 1}, "data.vocabulary_size=1: must be 2 or more"),
        ("tokens", {"min_length": 0}, "data.min_length=0: must be 1 or more"),
        ("tokens", {"min_length": 9, "max_length": 8}, "data.max_length=8: must be min_length=9 or more"),
        ("tokens", {"valid_size": 0}, "data.valid_size=0: must be 1 or more"),
        ("tokens", {"task": "majorty"}, "data.task: Invalid value 'majorty', expected one of"),
        ("tagging", {"min_length": 0}, "data.min_length=0: must be 1 or more"),
        ("tagging", {"max_length": 2}, "data.max_length=2: must be min_length=3 or more"),
        ("tagging", {"syllables": 0}, "data.syllables=0: must be 1 or more"),
        ("tagging", {"ambiguous": 1.5}, r"data.ambiguous=1.5: must be in \[0, 1\]"),
        ("tagging", {"min_count": 0}, "data.min_count=0: must be 1 or more"),
        ("tagging", {"max_vocabulary": 0}, "data.max_vocabulary=0: must be 1 or more, or null"),
        ("generate", {"vocabulary_size": 1}, "data.vocabulary_size=1: must be 2 or more"),
        ("generate", {"max_stride": 0}, "data.max_stride=0: must be 1 or more"),
        ("generate", {"max_stride": 10}, "data.max_stride=10: must be below vocabulary_size"),
        ("generate", {"min_length": 0}, "data.min_length=0: must be 1 or more"),
        ("generate", {"max_length": 2}, "data.max_length=2: must be min_length=3 or more"),
        (
            "generate",
            {"test_size": 360},
            "data.test_size=360: must be less: with valid_size=40 it leaves none of the 400 combinations",
        ),
    ],
)
def test_bad_values_are_told(name, values, message):
    with pytest.raises(InputError, match=f"^{message}"):
        data(name, **values)
