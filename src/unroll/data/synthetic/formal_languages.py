"""Tasks over formal languages that show whether a model generalises to longer sequences.

Delétang et al. 2023, "Neural Networks and the Chomsky Hierarchy" (arXiv:2207.02098).
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.synthetic.base import SyntheticConfig, SyntheticData, token_ids, token_vocabulary
from unroll.spec import IGNORED, Alignment, DataSpec, Kind, Signature


class FormalTask(Enum):
    """What the answer to a string is.

    even_pairs: whether the number of 01 and 10 in a binary string is even. parity_check: whether the
    number of 1 is even. cycle_navigation: the place on a circle of five places after steps of -1, 0 or 1
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
class FormalLanguagesConfig(SyntheticConfig):
    """Config of a task of the Chomsky hierarchy.

    Lengths of training and validation strings are uniform. (Those of modular arithmetic are odd.)

    Attributes:
        task: what the answer to a string is
        min_length: the shortest training string
        max_length: the longest training string
        test_min_length: the shortest test string; null is the first length above max_length
        test_max_length: the longest test string
        blanks: whether blanks follow a string, at which the answer is read; false reads a class at the last
            symbol
        train_size: strings to train on
        valid_size: strings to validate on, of training lengths
        test_per_length: test strings of each length
    """

    name: str = "formal_languages"
    task: FormalTask = FormalTask.even_pairs
    min_length: int = 1
    max_length: int = 40
    test_min_length: int | None = None
    test_max_length: int = 500
    blanks: bool = True
    train_size: int = 20_000
    valid_size: int = 1_000
    test_per_length: int = 4

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        self.require_positive("min_length", "max_length", "train_size", "valid_size", "test_per_length")
        self.require_ranges("length")
        trained = len(self.lengths(self.min_length, self.max_length)) > 0
        require(
            self, "min_length", trained, f"less: there is no odd length up to max_length={self.max_length}"
        )
        tested = 1 if self.test_min_length is None else self.test_min_length
        require(self, "test_min_length", tested >= 1, "1 or more, or null")
        shortest = self.lengths(self._test_from(), self._test_from() + 1)[0]
        least = "above max_length" if self.test_min_length is None else "from test_min_length on"
        require(self, "test_max_length", self.test_max_length >= shortest, f"{shortest} or more: {least}")
        one_class = self.signature().alignment is Alignment.SEQUENCE
        require(self, "blanks", self.blanks or one_class, "true: the answer is as long as the string")

    def longest(self) -> int:
        return 4 * max(self.max_length, self.test_max_length)  # a string is read, then written

    def signature(self) -> Signature:
        string = self.task in (FormalTask.reverse_string, FormalTask.bucket_sort)
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP if string else Alignment.SEQUENCE)

    def lengths(self, shortest: int, longest: int) -> range:
        """The lengths that strings may have in this range: those of modular arithmetic are odd."""
        if self.task is FormalTask.modular_arithmetic:
            return range(shortest | 1, longest + 1, 2)
        return range(shortest, longest + 1)

    def test_lengths(self) -> range:
        """The lengths of test strings."""
        return self.lengths(self._test_from(), self.test_max_length)

    def sizes(self) -> dict[str, int]:
        test_size = len(self.test_lengths()) * self.test_per_length
        return {"train": self.train_size, "valid": self.valid_size, "test": test_size}

    def _test_from(self) -> int:
        return self.max_length + 1 if self.test_min_length is None else self.test_min_length


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
class FormalLanguages(SyntheticData[np.ndarray]):
    """A string, followed by as many blanks as its answer has symbols. The answer is read at the blanks.

    Inputs are tokens: those of a string of n symbols, and its blanks. Where the answer is a string, targets
    are classes (2n,), IGNORED on the first n steps. Where the answer is one class, the target is () and is
    read at the single blank, the last step. Test strings are longer than any in training, unless
    test_min_length says otherwise. A short validation string may occur in training too.

    The paper's score is the mean accuracy over test lengths. There are equally many strings of each length,
    so it is the mean over all test strings of the share of symbols that are right. With one class,
    `test/accuracy` is the share of strings whose class is right at the last step. Chance is 1/2 for
    even_pairs and parity_check, 1/5 for cycle_navigation and (nearly) modular_arithmetic.

    Protocols, each with all lengths equally often:

    - Delétang et al. 2023: the defaults; 10⁶ steps of 128 strings drawn anew.
    - Walker et al. 2025, "Structured Linear CDEs" (arXiv:2505.17761): min_length=3, test_min_length=40,
      test_max_length=256; blanks=false but for modular arithmetic, where an = stands last as the blank does
      here, and an expression has an odd length; up to 10⁵ steps of 256 strings drawn anew.
    - Reduced: as Walker et al., with train_size=20000 for tens of epochs.
    """

    config: FormalLanguagesConfig

    @property
    def description(self) -> str:
        config = self.config
        task = config.task.value.replace("_", " ")
        trained, tested = config.lengths(config.min_length, config.max_length), config.test_lengths()
        return (
            f"{task} (chance 1/{len(ANSWERS[config.task])}): trained on lengths "
            f"{trained[0]} to {trained[-1]}, tested on {tested[0]} to {tested[-1]}"
        )

    def make_spec(self) -> DataSpec:
        task = self.config.task
        vocabulary = token_vocabulary((*ALPHABETS[task], BLANK))
        return DataSpec(
            signature=self.config.signature(),
            input_size=len(vocabulary),
            target_size=len(ANSWERS[task]),
            input_vocabulary=vocabulary,
            target_vocabulary=ANSWERS[task],
        )

    def draw(self, random: np.random.Generator, split: str, index: int) -> np.ndarray:
        """The symbols of a string, as numbers in the task's alphabet (n,)."""
        config = self.config
        if split == "test":
            length = config.test_lengths()[index // config.test_per_length]
        else:
            length = int(random.choice(config.lengths(config.min_length, config.max_length)))
        if config.task is not FormalTask.modular_arithmetic:
            return random.integers(len(ALPHABETS[config.task]), size=length)
        expression = random.integers(MODULUS, size=length)
        expression[1::2] = random.integers(MODULUS, MODULUS + 3, size=length // 2)
        return expression

    def sample(self, index: int, item: np.ndarray) -> Sample:
        task = self.config.task
        targets = np.asarray(answer(task, item))
        blanks = np.full(targets.size if self.config.blanks else 0, len(ALPHABETS[task]))
        if targets.ndim > 0:
            targets = np.concatenate([np.full(len(item), IGNORED), targets])
        return Sample(index, token_ids(np.concatenate([item, blanks])), torch.from_numpy(targets))


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
            return value_of(string)
        case FormalTask.reverse_string:
            return string[::-1]
        case FormalTask.bucket_sort:
            return np.sort(string)


def value_of(expression: np.ndarray) -> int:
    """The value, modulo 5, of digits at even places joined by operators (5: +, 6: -, 7: *) at odd ones."""
    total, term = 0, int(expression[0])
    for operator, digit in zip(expression[1::2].tolist(), expression[2::2].tolist(), strict=True):
        if operator == MODULUS + 2:
            term = term * digit % MODULUS
        else:
            total += term
            term = digit if operator == MODULUS else -digit
    return (total + term) % MODULUS
