"""A vector for each token, and beside it what the token is spelt like."""

from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.batch import mask_from_lengths
from unroll.config.components import EmbeddingConfig
from unroll.config.registry import builds, register, require
from unroll.errors import InputError
from unroll.nn.cells.lstm import LSTMConfig
from unroll.nn.embeddings.base import Embedding
from unroll.nn.recurrence import Recurrence
from unroll.spec import PAD, UNKNOWN, DataSpec


class SpellingEncoder(Enum):
    """What reads the letters of a word.

    cnn: a convolution over three letters at a time, and the maximum over the word (Ma & Hovy 2016,
    arXiv:1603.01354; Chiu & Nichols 2016, arXiv:1511.08308). rnn: an LSTM in both directions, its two final
    states (Ling et al. 2015, arXiv:1508.02096; Lample et al. 2016, arXiv:1603.01360).
    """

    cnn = "cnn"
    rnn = "rnn"


@register("model/embedding", "spelling")
@dataclass(kw_only=True, slots=True)
class SpellingEmbeddingConfig(EmbeddingConfig):
    """Config of a word's vector beside features of its letters.

    Attributes:
        size: size of the word's vector
        character_size: size of a letter's vector
        hidden_size: features of the spelling; of rnn, in each direction
        encoder: what reads the letters; cnn is a convolution and a maximum, rnn an LSTM in both directions
        word_dropout: how often, in training, a word is taken for an unknown one, so that the model learns to
            go by the spelling
    """

    name: str = "spelling"
    size: int = 64
    character_size: int = 30
    hidden_size: int = 30
    encoder: SpellingEncoder = SpellingEncoder.cnn
    word_dropout: float = 0.1

    def __post_init__(self) -> None:
        for key in ("size", "character_size", "hidden_size"):
            require(self, key, getattr(self, key) >= 1, "1 or more")
        require(self, "word_dropout", 0 <= self.word_dropout < 1, "in [0, 1)")


@builds(SpellingEmbeddingConfig)
class SpellingEmbedding(Embedding):
    """[vector of the word; features of its letters]: words that training has not seen differ too.

    Word dropout is that of Kiperwasser & Goldberg 2016 (arXiv:1603.04351) with one probability for all words.

    Raises:
        InputError: the data does not say how its tokens are spelt.
    """

    def __init__(self, config: SpellingEmbeddingConfig, spec: DataSpec) -> None:
        super().__init__()
        if not spec.letters:
            raise InputError(
                "model.embedding.name=spelling: this data has no spelling of its tokens; "
                "take model/embedding=word"
            )
        self.word_dropout = config.word_dropout
        self.words = nn.Embedding(spec.input_size, config.size, padding_idx=PAD)
        self.letters = nn.Embedding(len(spec.letters), config.character_size, padding_idx=PAD)
        kind = LetterCNN if config.encoder is SpellingEncoder.cnn else LetterRNN
        self.encoder = kind(config.character_size, config.hidden_size)
        self.output_size = config.size + self.encoder.output_size
        self.reads_spelling = True

    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        characters: Int[Tensor, "batch time letters"] | None = None,
    ) -> Float[Tensor, "batch time embedding"]:
        if characters is None:
            raise ValueError("a spelling embedding needs the characters of its tokens")
        if self.training and self.word_dropout > 0:
            dropped = torch.rand(tokens.shape, device=tokens.device) < self.word_dropout
            tokens = tokens.masked_fill(dropped & (tokens != PAD), UNKNOWN)
        features = self._features(characters.flatten(0, 1))
        return torch.cat([self.words(tokens), features.view(*tokens.shape, -1)], dim=-1)

    def _features(self, words: Int[Tensor, "words letters"]) -> Float[Tensor, "words features"]:
        """The features of words, of which equal ones are read once: a text repeats most of its words.

        Not so on an accelerator, which would have to wait to know how many there are.
        """
        if words.device.type == "cpu" and not torch.compiler.is_compiling():
            distinct, places = torch.unique(words, dim=0, return_inverse=True)
            return self._read(distinct)[places]
        return self._read(words)

    def _read(self, words: Int[Tensor, "words letters"]) -> Float[Tensor, "words features"]:
        """The features of words. A step of padding has no letters, and its features are zero."""
        lengths = (words != PAD).sum(dim=1)  # no encoder meets an empty word: it reads one PAD
        features: Tensor = self.encoder(self.letters(words), lengths.clamp(min=1))
        return features.masked_fill((lengths == 0)[:, None], 0.0)


class LetterCNN(nn.Module):
    """The maximum over a word's letters of a convolution with kernel 3; beyond its ends there are zeros."""

    def __init__(self, character_size: int, hidden_size: int) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.conv = nn.Conv1d(character_size, hidden_size, kernel_size=3, padding=1)

    def forward(
        self, letters: Float[Tensor, "words letters characters"], lengths: Int[Tensor, " words"]
    ) -> Float[Tensor, "words hidden"]:
        """Features of words whose vectors are zero after their last letter."""
        padding = ~mask_from_lengths(lengths, letters.shape[1])
        features: Tensor = self.conv(letters.mT)
        return features.masked_fill(padding[:, None], float("-inf")).amax(dim=2)


class LetterRNN(nn.Module):
    """The final states of an LSTM that reads a word forwards and of one that reads it backwards."""

    def __init__(self, character_size: int, hidden_size: int) -> None:
        super().__init__()
        self.recurrence = Recurrence(LSTMConfig(), character_size, hidden_size, bidirectional=True)
        self.output_size = 2 * hidden_size

    def forward(
        self, letters: Float[Tensor, "words letters characters"], lengths: Int[Tensor, " words"]
    ) -> Float[Tensor, "words hidden"]:
        """Features of words, whatever stands after their last letter."""
        _, final = self.recurrence(letters, lengths=lengths)
        return torch.cat([h for h, *_ in final], dim=-1)
