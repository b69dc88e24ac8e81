"""The adding problem and copying memory, and what models without memory reach on them."""

import math

import numpy as np
import pytest
import torch

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.data.synthetic.copy_memory import CATEGORIES
from unroll.errors import InputError
from unroll.spec import SPECIAL_TOKENS, Alignment, Kind, Signature

SIZES = {"train_size": 300, "valid_size": 20, "test_size": 30}


def data(name, seed=1, **values):
    return build_data(from_dict("data", {"name": name, **SIZES, **values}), seed)


@pytest.mark.parametrize("length", [2, 3, 20])
def test_one_mark_in_each_half_and_their_sum(length):
    made = data("adding", length=length)
    places = [set(), set()]
    for split in made.splits.values():
        for sample in split.samples:
            numbers, marks = sample.inputs.T.tolist()
            assert len(numbers) == length
            assert all(0 <= number <= 1 for number in numbers)
            assert sorted(marks) == [0.0] * (length - 2) + [1.0, 1.0]
            first, second = (step for step, mark in enumerate(marks) if mark)
            assert first < length // 2 <= second
            places[0].add(first)
            places[1].add(second)
            assert sample.targets.tolist() == pytest.approx([numbers[first] + numbers[second]], abs=1e-6)
    assert places[0] | places[1] == set(range(length))


def test_always_answering_one_has_the_error_that_the_docstring_says():
    targets = torch.stack([s.targets for s in data("adding", train_size=20_000).splits["train"].samples])
    assert targets.shape == (20_000, 1)
    assert (targets - 1).square().mean().item() == pytest.approx(1 / 6, abs=0.005)
    # Nothing but the marked numbers tells more: that error is the variance of the targets.
    assert targets.var().item() == pytest.approx(1 / 6, abs=0.005)


def test_marks_anywhere_as_in_bai_and_others():
    both_in_one_half = 0
    for sample in data("adding", length=20, halves=False).splits["train"].samples:
        numbers, marks = sample.inputs.T.tolist()
        first, second = (step for step, mark in enumerate(marks) if mark)
        both_in_one_half += (first < 10) == (second < 10)
        assert sample.targets.tolist() == pytest.approx([numbers[first] + numbers[second]], abs=1e-6)
    assert both_in_one_half == pytest.approx(300 * 9 / 19, abs=40)


def test_answers_may_be_delimited_as_in_bai_and_others():
    made = data("copy_memory", delay=4, delimit_answers=True)
    for sample in made.splits["train"].samples:
        inputs = "".join(made.spec.input_vocabulary[token] for token in sample.inputs)
        targets = "".join(made.spec.target_vocabulary[token] for token in sample.targets)
        assert inputs == inputs[:10] + "___" + ":" * 11
        assert targets == "_" * 14 + inputs[:10]


@pytest.mark.parametrize("delay", [1, 2, 30])
def test_ten_tokens_come_back_after_the_delay(delay):
    """The format of the paper, written out as text."""
    made = data("copy_memory", delay=delay)
    for split in made.splits.values():
        for sample in split.samples:
            inputs = "".join(made.spec.input_vocabulary[token] for token in sample.inputs)
            targets = "".join(made.spec.target_vocabulary[token] for token in sample.targets)
            memory = inputs[:10]
            assert set(memory) <= set("01234567")
            assert inputs == memory + "_" * (delay - 1) + ":" + "_" * 10
            assert targets == "_" * (delay + 10) + memory
    samples = made.splits["train"].samples
    counts = np.bincount(np.stack([sample.targets[-10:] for sample in samples]).ravel(), minlength=8)
    assert counts.min() > 0.8 * counts.mean()


def test_without_memory_the_cross_entropy_is_what_the_docstring_says():
    """The best guess that knows the step alone, made of counts, on as many samples as it takes."""
    made = data("copy_memory", delay=7, train_size=4_000)
    targets = torch.stack([sample.targets for sample in made.splits["train"].samples])
    shares = torch.nn.functional.one_hot(targets, made.spec.target_size).double().mean(dim=0)
    cross_entropy = -torch.special.xlogy(shares, shares).sum(dim=1).mean().item()
    assert cross_entropy == pytest.approx(10 * math.log(8) / 27, rel=0.001)
    assert made.baseline == pytest.approx(10 * math.log(8) / 27)


@pytest.mark.parametrize("name", ["adding", "copy_memory"])
def test_samples_are_a_function_of_seed_split_and_index(name):
    def train(seed, size):
        samples = data(name, seed, train_size=size).splits["train"].samples
        return [(sample.inputs.tolist(), sample.targets.tolist()) for sample in samples]

    assert train(1, 20) == train(1, 50)[:20]
    assert train(1, 20) != train(2, 20)
    inputs = [{str(s.inputs.tolist()) for s in split.samples} for split in data(name).splits.values()]
    assert len(set.union(*inputs)) == 350


def test_specs():
    adding = data("adding", length=33).spec
    assert adding.signature == Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE)
    assert (adding.input_size, adding.target_size, adding.length) == (2, 1, 33)
    assert (adding.input_names, adding.target_names) == (("number", "mark"), ("sum",))
    assert adding.target_inputs == ()
    copying = data("copy_memory", delay=33).spec
    assert copying.signature == Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)
    assert (copying.input_size, copying.target_size, copying.length) == (14, 9, 53)
    assert copying.input_vocabulary == SPECIAL_TOKENS + CATEGORIES
    assert copying.target_vocabulary == CATEGORIES[:9]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("adding", {"length": 1}, "length=1: must be 2 or more"),
        ("adding", {"train_size": 0}, "train_size=0: must be 1 or more"),
        ("adding", {"batch_size": 0}, "batch_size=0: must be 1 or more"),
        ("copy_memory", {"delay": 0}, "delay=0: must be 1 or more"),
        ("copy_memory", {"test_size": 0}, "test_size=0: must be 1 or more"),
    ],
)
def test_bad_values_are_told(name, values, message):
    with pytest.raises(InputError, match=f"^data.{message}"):
        data(name, **values)
