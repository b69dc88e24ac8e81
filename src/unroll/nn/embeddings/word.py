"""A vector for each token."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

from unroll.config.components import EmbeddingConfig
from unroll.config.registry import builds, register, require
from unroll.nn.embeddings.base import Embedding
from unroll.spec import PAD, DataSpec


@register("model/embedding", "word")
@dataclass(kw_only=True, slots=True)
class WordEmbeddingConfig(EmbeddingConfig):
    """Config of a vector for each token of the vocabulary.

    Attributes:
        size: size of a token's vector
    """

    name: str = "word"
    size: int = 64

    def __post_init__(self) -> None:
        require(self, "size", self.size >= 1, "1 or more")


@builds(WordEmbeddingConfig)
class WordEmbedding(Embedding):
    """A vector for each token of the vocabulary; one for all that are not in it."""

    def __init__(self, config: WordEmbeddingConfig, spec: DataSpec) -> None:
        super().__init__()
        self.output_size = config.size
        self.table = nn.Embedding(spec.input_size, config.size, padding_idx=PAD)

    def forward(
        self,
        tokens: Int[Tensor, "batch time"],
        characters: Int[Tensor, "batch time letters"] | None = None,
    ) -> Float[Tensor, "batch time embedding"]:
        vectors: Tensor = self.table(tokens)
        return vectors
