"""Sentences of nonsense words, each to be tagged with its part of speech."""

from dataclasses import dataclass

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.module import Samples, SequenceDataModule
from unroll.data.synthetic.base import SyntheticConfig
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature
from unroll.vocabulary import Vocabulary

FOLLOWERS = {
    "determiner": ("adjective", "noun"),
    "adjective": ("adjective", "noun"),
    "noun": ("verb", "adverb"),
    "adverb": ("verb", "adverb"),
    "verb": ("determiner", "adverb"),
}
"""The parts of speech that may come after each; a sentence begins as it would go on after a verb."""

DETERMINERS = ("an", "el", "ot")
"""The only words that are neither stem nor suffix."""

SUFFIXES = {"adjective": "vok", "noun": "nel", "adverb": "lum", "verb": "tis"}

AMBIGUOUS_SUFFIX = "ras"
"""A noun after a determiner or an adjective, a verb after a noun or an adverb."""

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"

TAGS = tuple(sorted(FOLLOWERS))
LETTERS = Vocabulary([*SPECIAL_TOKENS, *sorted(CONSONANTS + VOWELS)])


@register("data", "tagging")
@dataclass(kw_only=True, slots=True)
class TaggingConfig(SyntheticConfig):
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
    batch_size: int = 32

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        for key in ("min_length", "syllables", "min_count"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        require(
            self, "max_length", self.max_length >= self.min_length, f"min_length={self.min_length} or more"
        )
        require(self, "ambiguous", 0 <= self.ambiguous <= 1, "in [0, 1]")
        words = self.max_vocabulary
        require(self, "max_vocabulary", words is None or words >= 1, "1 or more, or null")

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)


@builds(TaggingConfig)
class Tagging(SequenceDataModule):
    """Each sentence is a function of (seed, split, index) alone; the vocabulary is that of the train split.

    Inputs are words (T,), with their letters as `characters`; targets parts of speech (T,).

    The suffix of a word tells its part of speech, but for one, whose meaning the tag before it settles (and
    that word's suffix may need the one before it). So both spelling and context matter, and as stems are
    random, most words of the test split were never seen in training.
    """

    config: TaggingConfig

    @property
    def description(self) -> str:
        return "nonsense words → parts of speech"

    @property
    def accepts_unknown(self) -> bool:
        return self.config.min_count > 1 or self.config.max_vocabulary is not None

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        sentences = {
            name: [self._sentence(split, index) for index in range(size)]
            for split, (name, size) in enumerate(config.sizes().items())
        }
        train = (words for words, _ in sentences["train"])
        vocabulary = Vocabulary.from_sequences(train, config.min_count, config.max_vocabulary)
        spec = DataSpec(
            signature=config.signature(),
            input_size=len(vocabulary),
            target_size=len(TAGS),
            length=config.min_length if config.min_length == config.max_length else 0,
            input_vocabulary=vocabulary.tokens,
            target_vocabulary=TAGS,
            letters=LETTERS.tokens,
        )
        splits = {
            name: Samples([_sample(index, *sentence, vocabulary) for index, sentence in enumerate(split)])
            for name, split in sentences.items()
        }
        return spec, splits

    def _sentence(self, split: int, index: int) -> tuple[list[str], list[str]]:
        config = self.config
        random = np.random.default_rng([self.seed, split, index])
        words, tags = [], ["verb"]
        for _ in range(random.integers(config.min_length, config.max_length + 1)):
            tags.append(str(random.choice(FOLLOWERS[tags[-1]])))
            words.append(self._word(tags[-1], random))
        return words, tags[1:]

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


def _sample(index: int, words: list[str], tags: list[str], vocabulary: Vocabulary) -> Sample:
    return Sample(
        index,
        torch.tensor(vocabulary.encode(words)),
        torch.tensor([TAGS.index(tag) for tag in tags]),
        characters=[LETTERS.encode(word) for word in words],
    )
