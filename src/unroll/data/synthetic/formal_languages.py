"""Regular and counter-language tasks that show whether a model generalises to longer sequences.

Delétang et al. 2023, "Neural Networks and the Chomsky Hierarchy" (arXiv:2207.02098).
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch

from unroll.config.components import DataConfig
from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.module import Samples, SequenceDataModule
from unroll.spec import IGNORED, SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature


class FormalTask(Enum):
    """What the answer to a string is.

    even_pairs: whether the number of 01 and 10 in a binary string is even. parity_check: whether the
    number of 1 is. cycle_navigation: where one stands on a circle of five places after steps of -1, 0 or 1
    from place 0. modular_arithmetic: the value, modulo 5, of digits 0 to 4 joined by +, - and *; products
    come first. reverse_string: a binary string backwards. bucket_sort: a string over 0 to 4, sorted.
    """

    even_pairs = "even_pairs"
    parity_check = "parity_check"
    cycle_navigation = "cycle_navigation"
    modular_arithmetic = "modular_arithmetic"
    reverse_string = "reverse_string"
    bucket_sort = "bucket_sort"


@register("data", "formal_languages")
@dataclass(kw_only=True, slots=True)
class FormalLanguagesConfig(DataConfig):
    """Config of a task of the Chomsky hierarchy.

    Lengths of training and validation strings are uniform from 1. (Those of modular arithmetic are odd.)

    Attributes:
        task: what the answer to a string is
        max_length: the longest training string
        test_max_length: the longest test string; every test string is longer than any in training
        train_size: strings to train on
        valid_size: strings to validate on, of training lengths
        test_per_length: test strings of each length
    """

    name: str = "formal_languages"
    task: FormalTask = FormalTask.even_pairs
    max_length: int = 40
    test_max_length: int = 500
    train_size: int = 20_000
    valid_size: int = 1_000
    test_per_length: int = 4

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        for key in ("max_length", "train_size", "valid_size", "test_per_length"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        odd_only = self.task is FormalTask.modular_arithmetic
        shortest = self.max_length + 1 + (self.max_length % 2 if odd_only else 0)
        require(
            self, "test_max_length", self.test_max_length >= shortest, f"{shortest} or more: above max_length"
        )

    def signature(self) -> Signature:
        string = self.task in (FormalTask.reverse_string, FormalTask.bucket_sort)
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP if string else Alignment.SEQUENCE)


MODULUS = 5
BLANK = "_"

BITS = ("0", "1")
DIGITS = ("0", "1", "2", "3", "4")
PARITIES = ("even", "odd")

ALPHABETS = {
    FormalTask.even_pairs: BITS,
    FormalTask.parity_check: BITS,
    FormalTask.cycle_navigation: ("-1", "0", "1"),
    FormalTask.modular_arithmetic: (*DIGITS, "+", "-", "*"),
    FormalTask.reverse_string: BITS,
    FormalTask.bucket_sort: DIGITS,
}

ANSWERS = {
    FormalTask.even_pairs: PARITIES,
    FormalTask.parity_check: PARITIES,
    FormalTask.cycle_navigation: DIGITS,
    FormalTask.modular_arithmetic: DIGITS,
    FormalTask.reverse_string: BITS,
    FormalTask.bucket_sort: DIGITS,
}


@builds(FormalLanguagesConfig)
class FormalLanguages(SequenceDataModule):
    """Each sample is a function of (seed, split, index) alone.

    As in the paper, a string is followed by as many blanks as its answer has symbols, and the answer is read
    there. Inputs are tokens, n of the string and its blanks. Where the answer is a string, targets are
    classes (2n,), IGNORED on the first n steps; where it is one class, it is read at the single blank, which
    is the last step, and the target is (). Test strings are longer than any in training; short validation
    strings may also stand in training.

    The paper's score is the mean accuracy over test lengths; as there are equally many strings of each
    length, it is that over all test strings, where each counts the share of its symbols that are right.
    """

    config: FormalLanguagesConfig

    @property
    def description(self) -> str:
        config = self.config
        task = config.task.value.replace("_", " ")
        return f"{task}: trained on lengths 1 to {config.max_length}, tested up to {config.test_max_length}"

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        answers = ANSWERS[config.task]
        vocabulary = (*SPECIAL_TOKENS, *ALPHABETS[config.task], BLANK)
        spec = DataSpec(
            signature=config.signature(),
            input_size=len(vocabulary),
            target_size=len(answers),
            input_vocabulary=vocabulary,
            target_vocabulary=answers,
        )
        lengths = self._lengths(1, config.max_length)
        longer = self._lengths(config.max_length + 1, config.test_max_length)
        splits = {
            "train": self._split(0, [lengths] * config.train_size),
            "valid": self._split(1, [lengths] * config.valid_size),
            "test": self._split(2, [[length] for length in longer for _ in range(config.test_per_length)]),
        }
        return spec, splits

    def _lengths(self, shortest: int, longest: int) -> list[int]:
        if self.config.task is FormalTask.modular_arithmetic:
            return list(range(shortest | 1, longest + 1, 2))  # the odd ones
        return list(range(shortest, longest + 1))

    def _split(self, split: int, lengths: list[list[int]]) -> Samples:
        """A sample for each entry of `lengths`, which lists the lengths that it may have."""
        samples = []
        for index, choice in enumerate(lengths):
            random = np.random.default_rng([self.seed, split, index])
            samples.append(self._sample(index, draw(self.config.task, int(random.choice(choice)), random)))
        return Samples(samples)

    def _sample(self, index: int, string: np.ndarray) -> Sample:
        right = np.asarray(answer(self.config.task, string))
        blanks = np.full(right.size, len(ALPHABETS[self.config.task]))
        inputs = torch.from_numpy(np.concatenate([string, blanks])) + len(SPECIAL_TOKENS)
        if right.ndim > 0:
            right = np.concatenate([np.full(len(string), IGNORED), right])
        return Sample(index, inputs, torch.from_numpy(right))


def draw(task: FormalTask, length: int, random: np.random.Generator) -> np.ndarray:
    """A random string of a task: places in its alphabet (length,)."""
    if task is not FormalTask.modular_arithmetic:
        return random.integers(len(ALPHABETS[task]), size=length)
    string = random.integers(MODULUS, size=length)
    string[1::2] = random.integers(MODULUS, MODULUS + 3, size=length // 2)
    return string


def answer(task: FormalTask, string: np.ndarray) -> int | np.ndarray:
    """The right answer to a string: a class, or a class for each of its symbols."""
    match task:
        case FormalTask.even_pairs:
            return int(np.count_nonzero(np.diff(string)) % 2)
        case FormalTask.parity_check:
            return int(string.sum() % 2)
        case FormalTask.cycle_navigation:
            return int((string - 1).sum() % MODULUS)
        case FormalTask.modular_arithmetic:
            return evaluate(string)
        case FormalTask.reverse_string:
            return string[::-1]
        case FormalTask.bucket_sort:
            return np.sort(string)


def evaluate(expression: np.ndarray) -> int:
    """The value, modulo 5, of digits at even places joined by operators (5: +, 6: -, 7: *) at odd ones."""
    total, term = 0, int(expression[0])
    for operator, digit in zip(expression[1::2].tolist(), expression[2::2].tolist(), strict=True):
        if operator == MODULUS + 2:
            term = term * digit % MODULUS
        else:
            total += term
            term = digit if operator == MODULUS else -digit
    return (total + term) % MODULUS
