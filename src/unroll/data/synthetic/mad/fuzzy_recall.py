"""Fuzzy recall of the MAD suite: keys and values of several tokens."""

from dataclasses import dataclass

import numpy as np

from unroll.config.registry import builds, register, require
from unroll.data.synthetic.labelled import Labelled, LabelledTokens
from unroll.data.synthetic.mad.base import MadRecallConfig, next_tokens


@register("data", "fuzzy_recall")
@dataclass(kw_only=True, slots=True)
class FuzzyRecallConfig(MadRecallConfig):
    """Config of fuzzy in-context recall.

    Attributes:
        key_size: tokens of a key, at most
        value_size: tokens of a value, at most
    """

    name: str = "fuzzy_recall"
    key_size: int = 3
    value_size: int = 3

    def __post_init__(self) -> None:
        MadRecallConfig.__post_init__(self)
        self.require_positive("key_size", "value_size")
        keys = (self.vocabulary_size - 1) // 2
        values = self.vocabulary_size - 1 - keys
        require(self, "key_size", self.key_size <= keys, f"{keys} or less, the tokens that keys are made of")
        require(self, "value_size", self.value_size <= values, f"{values} or less, the tokens of values")
        shortest = 3 * (self.key_size + self.value_size)
        require(self, "length", self.length >= shortest, f"{shortest} or more")


@builds(FuzzyRecallConfig)
class FuzzyRecall(LabelledTokens):
    """Inputs are keys of 1 to 3 tokens, each followed by its value of 1 to 3 (T,); targets the next tokens.

    No token occurs twice in a key or in a value. In training keys have 1 to 3 tokens, in validation and test
    3; values always 1 to 3. Each key has one value in a sequence, drawn anew for the next one. Answers are
    the tokens of the value of a key that has been shown; the last key has been. Tokens are numbered keys,
    values, padding, which stands in front. A model that knows only that an answer is a value is right once
    in eight times.

    MAD suite, baseline (`mad/base.py`): 16 tokens, 128 steps. The suite's code may fail to
    show a short pair that it asks for at last; here that is always shown. Reduced: the same, for fewer
    epochs.
    """

    config: FuzzyRecallConfig

    @property
    def description(self) -> str:
        config = self.config
        chance = f"1/{config.vocabulary_size - 1 - self._key_tokens}"
        return (
            f"values of 1 to {config.value_size} tokens of keys of 1 to {config.key_size} (chance {chance})"
        )

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*(str(number) for number in range(self.config.vocabulary_size - 1)), "_")

    @property
    def steps(self) -> int:
        return self.config.length

    @property
    def _key_tokens(self) -> int:
        return (self.config.vocabulary_size - 1) // 2

    def draw(self, random: np.random.Generator, split: str, index: int) -> Labelled:
        config = self.config
        most = 1 + config.length // 2
        keys = self._motifs(random, most, range(self._key_tokens), config.key_size, longest=split != "train")
        value_tokens = range(self._key_tokens, config.vocabulary_size - 1)
        values = self._motifs(random, most, value_tokens, config.value_size)

        # The first pair is the one to ask for. It is shown at a random place that leaves room for it.
        asked, longest = keys[0], config.key_size + config.value_size
        end = config.length - len(asked) - len(values[0]) - longest
        place = int(random.integers(end - longest + 1))
        value_of = {asked: values[0]}
        drawn = zip(keys[1:], values[1:], strict=True)
        shown: list[tuple[int, ...]] = []
        steps = 0
        while steps < end:
            if steps >= place and asked not in shown:
                key = asked
            else:
                key, value = next(drawn)
                value_of.setdefault(key, value)
            shown.append(key)
            steps += len(key) + len(value_of[key])

        known: set[tuple[int, ...]] = set()
        tokens: list[int] = []
        answers: list[bool] = []
        for key in (*shown, asked):
            tokens += (*key, *value_of[key])
            answers += [False] * len(key) + [key in known] * len(value_of[key])
            known.add(key)
        padding = config.length + 1 - len(tokens)
        return next_tokens(
            np.array([config.vocabulary_size - 1] * padding + tokens),
            np.array([False] * padding + answers),
            every_step=split == "train" and config.train_every_step,
        )

    def _motifs(
        self, random: np.random.Generator, number: int, tokens: range, most: int, *, longest: bool = False
    ) -> list[tuple[int, ...]]:
        """Motifs of 1 to `most` different tokens, or of the `longest` size."""
        order = tokens.start + random.random((number, len(tokens))).argsort(axis=1)[:, :most]
        sizes = [most] * number if longest else random.integers(1, most + 1, size=number).tolist()
        return [tuple(row[:size]) for row, size in zip(order.tolist(), sizes, strict=True)]
