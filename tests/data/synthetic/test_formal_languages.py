"""The tasks of the Chomsky hierarchy against answers worked out from their strings as text."""

from collections import Counter

import pytest

from unroll.config.registry import from_dict
from unroll.data.module import build_data
from unroll.errors import InputError
from unroll.spec import IGNORED, SPECIAL_TOKENS, Alignment, Kind, Signature

SIZES = {"train_size": 600, "valid_size": 60, "test_per_length": 2, "test_max_length": 120}


def even_or_odd(number):
    return "even" if number % 2 == 0 else "odd"


ANSWERS = {
    "even_pairs": lambda s: even_or_odd(sum(s[i : i + 2] in (["0", "1"], ["1", "0"]) for i in range(len(s)))),
    "parity_check": lambda s: even_or_odd(s.count("1")),
    "cycle_navigation": lambda s: str((s.count("1") - s.count("-1")) % 5),
    "modular_arithmetic": lambda s: str(eval("".join(s)) % 5),
    "reverse_string": lambda s: list(reversed(s)),
    "bucket_sort": sorted,
}
STRINGS = ("reverse_string", "bucket_sort")
every_task = pytest.mark.parametrize("task", ANSWERS)


def formal(task, seed=1, **values):
    return build_data(from_dict("data", {"name": "formal_languages", "task": task, **SIZES, **values}), seed)


def read(sample, spec):
    """A sample as text: its string, without the blanks that follow it, and its answer."""
    string = [spec.input_vocabulary[token] for token in sample.inputs.tolist()]
    if sample.targets.ndim == 0:
        assert string.pop() == "_"
        return string, spec.target_vocabulary[sample.targets]
    length = len(string) // 2
    assert string[length:] == ["_"] * length
    assert sample.targets[:length].tolist() == [IGNORED] * length
    return string[:length], [spec.target_vocabulary[symbol] for symbol in sample.targets[length:]]


@every_task
def test_answers(task):
    data = formal(task)
    answers, symbols = Counter(), Counter()
    for split in data.splits.values():
        for sample in split.samples:
            string, answer = read(sample, data.spec)
            assert answer == ANSWERS[task](string)
            answers.update(answer if task in STRINGS else [answer])
            symbols.update(string)
    assert set(answers) == set(data.spec.target_vocabulary)
    assert set(symbols) == set(data.spec.input_vocabulary[len(SPECIAL_TOKENS) : -1])


@every_task
def test_strings_to_test_on_are_longer_and_equally_many_of_each_length(task):
    data = formal(task)
    lengths = {
        name: Counter(len(read(sample, data.spec)[0]) for sample in split.samples)
        for name, split in data.splits.items()
    }
    step = 2 if task == "modular_arithmetic" else 1
    assert set(lengths["train"]) == set(range(1, 41, step))
    assert lengths["train"].total() == 600
    assert min(lengths["train"].values()) > 3
    assert set(lengths["valid"]) <= set(lengths["train"])
    assert lengths["test"] == dict.fromkeys(range(41, 121, step), 2)


def test_the_first_odd_length_above_the_training_ones_will_do():
    for longest in (39, 40):
        data = formal("modular_arithmetic", max_length=longest, test_max_length=41)
        assert data.splits["test"].lengths == [42, 42]


@pytest.mark.parametrize("task", ["even_pairs", "parity_check", "cycle_navigation", "modular_arithmetic"])
def test_lengths_as_in_walker_and_others(task):
    """Trained from 3 to 40, tested from 40 to 256."""
    data = formal(task, min_length=3, test_min_length=40, test_max_length=256)
    train, test = (
        {len(read(sample, data.spec)[0]) for sample in data.splits[split].samples}
        for split in ("train", "test")
    )
    step = 2 if task == "modular_arithmetic" else 1
    assert train == set(range(3, 41, step))
    assert test == set(range(41 if step == 2 else 40, 257, step))
    assert "trained on lengths 3 to " in data.description


@pytest.mark.parametrize("task", ["even_pairs", "parity_check", "cycle_navigation", "modular_arithmetic"])
def test_without_blanks_the_same_strings_are_read_at_their_last_symbol(task):
    with_blank, without = formal(task), formal(task, blanks=False)
    for split in with_blank.splits:
        pairs = zip(with_blank.splits[split].samples, without.splits[split].samples, strict=True)
        for read_at_blank, read_at_symbol in pairs:
            assert read_at_symbol.inputs.tolist() == read_at_blank.inputs[:-1].tolist()
            assert read_at_symbol.targets == read_at_blank.targets


def test_expressions_alternate_digits_and_operators():
    data = formal("modular_arithmetic")
    symbols = Counter()
    for sample in data.splits["train"].samples:
        string, _ = read(sample, data.spec)
        assert set(string[::2]) <= set("01234")
        assert set(string[1::2]) <= set("+-*")
        symbols.update(string)
    assert min(symbols[operator] for operator in "+-*") > 0.8 * max(symbols[operator] for operator in "+-*")


@every_task
def test_spec(task):
    spec = formal(task).spec
    assert spec.signature == Signature(
        Kind.TOKENS, Kind.CLASSES, Alignment.STEP if task in STRINGS else Alignment.SEQUENCE
    )
    assert spec.length == 0
    assert spec.input_vocabulary[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS
    assert spec.input_vocabulary[-1] == "_"
    # Sizes as in the paper's code; ours are the four special tokens larger.
    sizes = {
        "even_pairs": (2, 2),
        "parity_check": (2, 2),
        "cycle_navigation": (3, 5),
        "modular_arithmetic": (8, 5),
        "reverse_string": (2, 2),
        "bucket_sort": (5, 5),
    }
    assert (spec.input_size - len(SPECIAL_TOKENS) - 1, spec.target_size) == sizes[task]


@every_task
def test_samples_are_a_function_of_seed_split_and_index(task):
    def samples(seed, split="train", **values):
        drawn = formal(task, seed, **values).splits[split].samples
        return [(sample.inputs.tolist(), sample.targets.tolist()) for sample in drawn]

    assert samples(1, train_size=50) == samples(1)[:50]
    assert samples(1, train_size=50) != samples(2, train_size=50)
    assert samples(1, "valid", valid_size=50) != samples(1, train_size=50)
    assert (
        samples(1, "test", test_max_length=60)
        == samples(1, "test")[: 20 * (1 + (task != "modular_arithmetic"))]
    )


@pytest.mark.parametrize(
    ("task", "values", "message"),
    [
        ("parity", {}, "task: Invalid value 'parity', expected one of"),
        ("even_pairs", {"max_length": 0}, "max_length=0: must be 1 or more"),
        ("even_pairs", {"test_max_length": 40}, "test_max_length=40: must be 41 or more: above max_length"),
        (
            "modular_arithmetic",
            {"max_length": 39, "test_max_length": 40},
            "test_max_length=40: must be 41 or more: above max_length",
        ),
        ("even_pairs", {"min_length": 0}, "min_length=0: must be 1 or more"),
        ("even_pairs", {"min_length": 41}, "max_length=40: must be min_length=41 or more"),
        ("modular_arithmetic", {"min_length": 40}, "min_length=40: must be less: there is no odd length"),
        ("even_pairs", {"test_min_length": 0}, "test_min_length=0: must be 1 or more, or null"),
        (
            "modular_arithmetic",
            {"test_min_length": 60, "test_max_length": 60},
            "test_max_length=60: must be 61 or more: from test_min_length on",
        ),
        ("reverse_string", {"blanks": False}, "blanks=False: must be true"),
        ("even_pairs", {"train_size": 0}, "train_size=0: must be 1 or more"),
        ("even_pairs", {"valid_size": 0}, "valid_size=0: must be 1 or more"),
        ("even_pairs", {"test_per_length": 0}, "test_per_length=0: must be 1 or more"),
    ],
)
def test_bad_values_are_told(task, values, message):
    with pytest.raises(InputError, match=f"^data.{message}"):
        formal(task, **values)
