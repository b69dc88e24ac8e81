"""Cuts text as people write it into words, and words into pieces."""

import json
import os
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import models, normalizers, pre_tokenizers, trainers

from unroll.spec import SPECIAL_TOKENS, UNKNOWN, WORD_START, DataSpec
from unroll.vocabulary import Vocabulary

# Threads of the library would not survive in the workers of a loader, which are forks; each would say so.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

FEWEST_PAIRS = 2
"""Two pieces that stand together only once in training are not joined: the piece would be that word alone."""


def _normalizer(lowercase: bool) -> normalizers.Normalizer:
    bert = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=lowercase
    )
    # A mark that text holds itself would be taken for the beginning of a word.
    return normalizers.Sequence([normalizers.NFC(), normalizers.Replace(WORD_START, " "), bert])


_NORMALIZERS = {lowercase: _normalizer(lowercase) for lowercase in (False, True)}
_WORDS = pre_tokenizers.BertPreTokenizer()


def words(text: str, *, lowercase: bool) -> list[str]:
    """The words, numbers and punctuation marks of a text, as BERT takes them apart (arXiv:1810.04805).

    Each punctuation mark and each Chinese character stands alone. The same letter is always the same
    character (Unicode's NFC), and control characters are left out.

    Raises:
        UnicodeEncodeError: the text holds a lone surrogate.
    """
    return [word for word, _ in _WORDS.pre_tokenize_str(_NORMALIZERS[lowercase].normalize_str(text))]


class Pieces:
    """Cuts words into pieces by byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909).

    The first piece of a word begins with WORD_START. `merges` are those of a DataSpec, made of tokens of the
    vocabulary. Characters that it lacks are the unknown token.
    """

    def __init__(self, vocabulary: Vocabulary, merges: Sequence[str]) -> None:
        self.vocabulary = vocabulary
        self.merges = tuple(merges)
        ids = {token: number for number, token in enumerate(vocabulary.tokens)}
        pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in self.merges)]
        self._model = models.BPE(ids, pairs, unk_token=SPECIAL_TOKENS[UNKNOWN], fuse_unk=True)

    @classmethod
    def learned(cls, texts: Iterable[Sequence[str]], size: int) -> "Pieces":
        """At most `size` pieces, and all characters, of texts that are cut into words.

        They depend only on how often each word occurs: characters have their order, and so have pairs that
        occur equally often.
        """
        library = LibraryTokenizer(models.BPE())
        trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=FEWEST_PAIRS, show_progress=False)
        library.train_from_iterator((WORD_START + word for text in texts for word in text), trainer)
        model = json.loads(library.to_str())["model"]
        vocabulary = Vocabulary([*SPECIAL_TOKENS, *sorted(model["vocab"])])
        return cls(vocabulary, [" ".join(pair) for pair in model["merges"]])

    @classmethod
    def of(cls, spec: DataSpec) -> "Pieces":
        """The pieces of the inputs of a data set."""
        return cls(Vocabulary(spec.input_vocabulary), spec.merges)

    @classmethod
    def of_targets(cls, spec: DataSpec) -> "Pieces":
        """The pieces of its targets."""
        return cls(Vocabulary(spec.target_vocabulary), spec.target_merges)

    def cut(self, words: Iterable[str]) -> list[str]:
        """The pieces of these words."""
        return [piece.value for word in words for piece in self._model.tokenize(WORD_START + word)]
