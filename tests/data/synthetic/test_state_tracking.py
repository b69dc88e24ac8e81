"""Products in a group, against permutations composed by hand."""

from collections import Counter
from math import factorial

import pytest

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.errors import InputError

SIZES = {"train_size": 100, "valid_size": 20, "test_size": 10}
every_group = pytest.mark.parametrize("group", ["S3", "A5", "S5", "Z60"])


def tracking(group, seed=1, **values):
    return build_data(from_dict("data", {"name": "state_tracking", "group": group, **SIZES, **values}), seed)


def read(sample, spec):
    """The elements of a sequence and its products, by name."""
    return (
        [spec.input_vocabulary[token] for token in sample.inputs.tolist()],
        [spec.target_vocabulary[product] for product in sample.targets.tolist()],
    )


def times(group, a, b):
    """a · b: first b, then a; or the sum."""
    return str((int(a) + int(b)) % 60) if group == "Z60" else "".join(a[int(image) - 1] for image in b)


@every_group
def test_each_step_has_the_product_of_all_so_far(group):
    data = tracking(group)
    for split in data.splits.values():
        for sample in split.samples:
            elements, products = read(sample, data.spec)
            expected = [elements[0]]
            for element in elements[1:]:
                expected.append(times(group, expected[-1], element))
            assert products == expected


@every_group
def test_the_elements_are_those_of_the_group(group):
    names = tracking(group).spec.target_vocabulary
    assert len(set(names)) == len(names) == {"S3": 6, "A5": 60, "S5": 120, "Z60": 60}[group]
    assert {times(group, a, b) for a in names for b in names[:3]} <= set(names)
    assert all(times(group, names[0], a) == a == times(group, a, names[0]) for a in names)
    if group != "Z60":
        things = int(group[1])
        assert all(sorted(name) == sorted(names[0]) for name in names)
        even = [sum(a > b for i, a in enumerate(name) for b in name[i + 1 :]) % 2 == 0 for name in names]
        assert sum(even) == factorial(things) / 2
        assert all(even) == (group == "A5")


def test_only_numbers_commute():
    for group, commutes in (("S3", False), ("A5", False), ("S5", False), ("Z60", True)):
        names = tracking(group).spec.target_vocabulary
        same = all(times(group, a, b) == times(group, b, a) for a in names for b in names)
        assert same == commutes


def test_lengths_and_that_every_product_is_as_likely():
    data = tracking("S3", train_size=2_000)
    lengths = Counter(data.splits["train"].lengths)
    assert set(lengths) == set(range(2, 33))
    assert min(lengths.values()) > 30
    assert set(data.splits["valid"].lengths) <= set(lengths)
    assert set(data.splits["test"].lengths) == {128}
    for step in (0, 1):
        counts = Counter(int(sample.targets[step]) for sample in data.splits["train"].samples)
        assert set(counts) == set(range(6))
        assert max(counts.values()) < 1.3 * 2_000 / 6


def test_validation_sequences_are_not_in_training():
    """Of two elements of S3 there are 36 pairs: without care most would be."""
    data = tracking("S3", max_length=3, train_size=40, test_length=4)
    train, valid = (
        {tuple(s.inputs.tolist()) for s in data.splits[split].samples} for split in ("train", "valid")
    )
    assert not train & valid
    with pytest.raises(InputError, match=r"data.train_size=600: .* sequences of max_length=2 and group=S3"):
        _ = tracking("S3", max_length=2, train_size=600).splits


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"group": "S4"}, "group: Invalid value 'S4', expected one of"),
        ({"min_length": 0}, "min_length=0: must be 1 or more"),
        ({"max_length": 1}, "max_length=1: must be min_length=2 or more"),
        ({"test_length": 32}, "test_length=32: must be more than max_length=32"),
    ],
)
def test_bad_values_are_told(values, message):
    with pytest.raises(InputError, match=f"^data.{message}"):
        tracking(**{"group": "A5", **values})
