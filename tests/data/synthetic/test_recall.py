"""Recall and induction, against answers looked up in the sequence."""

from collections import Counter

import numpy as np
import pytest

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.errors import InputError
from unroll.spec import IGNORED

SIZES = {"train_size": 100, "valid_size": 20, "test_size": 30}


def recall(seed=1, **values):
    return build_data(from_dict("data", {"name": "recall", **SIZES, **values}), seed)


def induction(seed=1, **values):
    sizes = {"train_size": 200, "valid_size": 20, "test_per_length": 5}
    return build_data(from_dict("data", {"name": "induction", **sizes, **values}), seed)


def numbers(data, sample):
    return [int(data.spec.input_vocabulary[token]) for token in sample.inputs.tolist()]


@pytest.mark.parametrize("random_fillers", [False, True])
@pytest.mark.parametrize(("length", "pairs"), [(64, 4), (32, 8), (40, 7)])
def test_each_key_is_asked_for_once_and_its_value_is_the_answer(length, pairs, random_fillers):
    data = recall(vocabulary_size=50, length=length, pairs=pairs, random_fillers=random_fillers)
    for split in data.splits.values():
        for sample in split.samples:
            tokens = numbers(data, sample)
            assert len(tokens) == length
            value_of = dict(zip(tokens[0 : 2 * pairs : 2], tokens[1 : 2 * pairs : 2], strict=True))
            assert len(value_of) == len(set(value_of.values())) == pairs
            assert all(1 <= key < 25 <= value < 50 for key, value in value_of.items())
            answered = [step for step, answer in enumerate(sample.targets.tolist()) if answer != IGNORED]
            assert sorted(tokens[step] for step in answered) == sorted(value_of)
            assert all(sample.targets[step] == value_of[tokens[step]] for step in answered)
            assert all(step >= 2 * pairs and step % 2 == 0 for step in answered)
            rest = [
                token for step, token in enumerate(tokens[2 * pairs :], 2 * pairs) if step not in answered
            ]
            assert (set(rest) == {0}) != random_fillers


def test_gaps_follow_the_power_law():
    """The first of one key's places is drawn from p(g) ∝ g^(a - 1) itself."""
    for power in (0.01, 1.0):
        data = recall(vocabulary_size=20, length=22, pairs=1, power=power, train_size=4_000)
        places = Counter(
            int((sample.targets != IGNORED).nonzero()) // 2 for sample in data.splits["train"].samples
        )
        expected = np.arange(1, 11) ** (power - 1)
        found = [places[place] / 4_000 for place in range(1, 11)]
        np.testing.assert_allclose(found, expected / expected.sum(), atol=0.03)


def test_classes_are_the_whole_vocabulary():
    spec = recall().spec
    assert (spec.target_size, spec.input_size, spec.length) == (8192, 8196, 64)


@pytest.mark.parametrize("vocabulary_size", [3, 16])
def test_the_answer_is_what_came_after_the_trigger(vocabulary_size):
    data = induction(vocabulary_size=vocabulary_size, length=12, test_lengths=[5, 20])
    places = Counter()
    for split in data.splits.values():
        for sample in split.samples:
            tokens = [data.spec.input_vocabulary[token] for token in sample.inputs.tolist()]
            assert tokens[-1] == ">"
            assert tokens.count(">") == 2
            first = tokens.index(">")
            assert data.spec.target_vocabulary[sample.targets] == tokens[first + 1] != ">"
            places[len(tokens), first] += 1
    assert {place for length, place in places if length == 12} == set(range(10))
    assert set(data.splits["train"].lengths) == set(data.splits["valid"].lengths) == {12}
    assert data.splits["test"].lengths == [5] * 5 + [20] * 5


def test_answers_of_induction_are_uniform():
    data = induction(train_size=3_000, length=20)
    counts = Counter(int(sample.targets) for sample in data.splits["train"].samples)
    assert set(counts) == set(range(15))
    assert max(counts.values()) < 1.4 * 3_000 / 15


@pytest.mark.parametrize("make", [recall, induction])
def test_samples_are_a_function_of_seed_split_and_index(make):
    def inputs(seed, split="train", **values):
        return [sample.inputs.tolist() for sample in make(seed, **values).splits[split].samples]

    assert inputs(1, train_size=20) == inputs(1)[:20]
    assert inputs(1, train_size=20) != inputs(2, train_size=20)
    assert inputs(1, train_size=20) != inputs(1, "valid")


@pytest.mark.parametrize(
    ("make", "values", "message"),
    [
        (recall, {"pairs": 0}, "pairs=0: must be 1 or more"),
        (recall, {"length": 15}, "length=15: must be even, and 16 or more: four steps for each of pairs=4"),
        (recall, {"length": 14}, "length=14: must be even, and 16 or more: four steps for each of pairs=4"),
        (recall, {"vocabulary_size": 9}, "vocabulary_size=9: must be 10 or more for pairs=4"),
        (recall, {"power": 0}, r"power=0.0: must be in \(0, 1\]"),
        (induction, {"vocabulary_size": 2}, "vocabulary_size=2: must be 3 or more"),
        (induction, {"length": 2}, "length=2: must be 3 or more"),
        (induction, {"test_lengths": []}, r"test_lengths=\[\]: must be at least one length"),
        (induction, {"test_lengths": [9, 2]}, r"test_lengths=\[9, 2\]: must be at least one length"),
    ],
)
def test_bad_values_are_told(make, values, message):
    with pytest.raises(InputError, match=f"^data.{message}"):
        make(**values)


def test_the_smallest_vocabulary_of_recall_will_do():
    data = recall(vocabulary_size=10, length=16)
    assert len(data.splits["train"]) == 100
