"""Sentences of nonsense words, each to be tagged with its part of speech."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.samples import common_length
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticData, token_vocabulary
from unroll.spec import Alignment, DataSpec, Kind, Signature
from unroll.vocabulary import Vocabulary

FOLLOWERS = {
    "determiner": ("adjective", "noun"),
    "adjective": ("adjective", "noun"),
    "noun": ("verb", "adverb"),
    "adverb": ("verb", "adverb"),
    "verb": ("determiner", "adverb"),
}
"""The parts of speech that may follow each. The first of a sentence is one that may follow a verb."""

DETERMINERS = ("an", "el", "ot")
"""The only words that are not made of a stem and a suffix."""

SUFFIXES = {"adjective": "vok", "noun": "nel", "adverb": "lum", "verb": "tis"}

AMBIGUOUS_SUFFIX = "ras"
"""A noun after a determiner or an adjective, a verb after a noun or an adverb."""

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"

TAGS = tuple(sorted(FOLLOWERS))
LETTERS = Vocabulary(token_vocabulary(sorted(CONSONANTS + VOWELS)))


@register("data", "tagging")
@dataclass(kw_only=True, slots=True)
class TaggingConfig(SplitSizesConfig):
    """Config of synthetic part-of-speech tagging.

    Attributes:
        min_length: the shortest sentence, in words
        max_length: the longest sentence, in words
        syllables: syllables of a stem, at most; the more there are, the more words are new
        ambiguous: share of nouns and verbs that only the word before tells apart
        min_count: times that a word must occur in training to be known
        max_vocabulary: words that are known, at most, the most frequent; null is all
    """

    name: str = "tagging"
    min_length: int = 3
    max_length: int = 15
    syllables: int = 4
    ambiguous: float = 0.5
    min_count: int = 2
    max_vocabulary: int | None = None
    train_size: int = 2_000
    valid_size: int = 500
    test_size: int = 1_000
    batch_size: int | None = 32

    def __post_init__(self) -> None:
        SplitSizesConfig.__post_init__(self)
        self.require_positive("min_length", "syllables", "min_count")
        self.require_ranges("length")
        require(self, "ambiguous", 0 <= self.ambiguous <= 1, "in [0, 1]")
        words = self.max_vocabulary
        require(self, "max_vocabulary", words is None or words >= 1, "1 or more, or null")

    def longest(self) -> int:
        return self.max_length * (2 + 2 * (self.syllables + 1))  # a syllable has two letters

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)


Sentence = tuple[list[str], list[str]]
"""Words, and the tag of each."""


@builds(TaggingConfig)
class Tagging(SyntheticData[Sentence]):
    """Inputs are words (T,), with their letters as `characters`; targets parts of speech (T,).

    The suffix of a word tells its part of speech. One suffix is ambiguous, and the tag of the word before
    decides what it means (to know that tag may take the word before that). So both spelling and context
    matter. Stems are random: most words of the test split never occur in training.
    """

    config: TaggingConfig

    @property
    def description(self) -> str:
        return "nonsense words → parts of speech"

    @property
    def accepts_unknown(self) -> bool:
        return self.config.min_count > 1 or self.config.max_vocabulary is not None

    def make_spec(self) -> DataSpec:
        config = self.config
        return DataSpec(
            signature=config.signature(),
            input_size=len(self._vocabulary),
            target_size=len(TAGS),
            length=common_length([config.min_length, config.max_length]),
            input_vocabulary=self._vocabulary.tokens,
            target_vocabulary=TAGS,
            letters=LETTERS.tokens,
        )

    def draw(self, random: np.random.Generator, split: str, index: int) -> Sentence:
        config = self.config
        words, tags = [], ["verb"]
        for _ in range(random.integers(config.min_length, config.max_length + 1)):
            tags.append(str(random.choice(FOLLOWERS[tags[-1]])))
            words.append(self._word(tags[-1], random))
        return words, tags[1:]

    def sample(self, index: int, item: Sentence) -> Sample:
        words, tags = item
        return Sample(
            index,
            torch.tensor(self._vocabulary.encode(words)),
            torch.tensor([TAGS.index(tag) for tag in tags]),
            characters=[LETTERS.encode(word) for word in words],
        )

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        """The words of the training split."""
        train = (words for words, _ in self.train_items)
        return Vocabulary.from_sequences(train, self.config.min_count, self.config.max_vocabulary)

    def _word(self, tag: str, random: np.random.Generator) -> str:
        if tag == "determiner":
            return str(random.choice(DETERMINERS))
        stem = "".join(
            letters[random.integers(len(letters))]
            for _ in range(random.integers(1, self.config.syllables + 1))
            for letters in (CONSONANTS, VOWELS)
        )
        ambiguous = tag in ("noun", "verb") and random.random() < self.config.ambiguous
        return stem + (AMBIGUOUS_SUFFIX if ambiguous else SUFFIXES[tag])
