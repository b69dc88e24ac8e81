"""Multi-query associative recall: keys with values, and later the keys alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unroll.config.registry import builds, register, require
from unroll.data.synthetic.labelled import Labelled, LabelledTokens, LabelledTokensConfig
from unroll.spec import IGNORED

FILLER = 0
"""The token between queries."""


@register("data", "recall")
@dataclass(kw_only=True, slots=True)
class RecallConfig(LabelledTokensConfig):
    """Config of multi-query associative recall.

    Attributes:
        vocabulary_size: different tokens; the lower half are keys (and the filler), the upper half values
        length: steps of a sequence; even
        pairs: keys with a value in a sequence; each is asked for once
        power: a of the power law; a gap of g places before a query has a probability of about g^(a - 1), so
            that small ones are likely; 1 is uniform
        random_fillers: whether random tokens stand between the queries in place of the filler
    """

    name: str = "recall"
    vocabulary_size: int = 8192
    length: int = 64
    pairs: int = 4
    power: float = 0.01
    random_fillers: bool = False

    def __post_init__(self) -> None:
        LabelledTokensConfig.__post_init__(self)
        self.require_positive("pairs")
        shortest = 4 * self.pairs
        fits = self.length >= shortest and self.length % 2 == 0
        require(
            self, "length", fits, f"even, and {shortest} or more: four steps for each of pairs={self.pairs}"
        )
        enough = self.vocabulary_size > 2 * self.pairs + 1
        require(self, "vocabulary_size", enough, f"{2 * self.pairs + 2} or more for pairs={self.pairs}")
        require(self, "power", 0 < self.power <= 1, "in (0, 1]")

    def longest(self) -> int:
        return 2 * self.length


@builds(RecallConfig)
class Recall(LabelledTokens):
    """Inputs are tokens (T,): k₁ v₁ k₂ v₂ …, then each key once more; targets the value at each query (T,).

    Keys are different, and so are values. All steps but the queries are IGNORED. Queries stand at every
    other step, at most: of the (T - 2 · pairs) / 2 places after the pairs, each key takes one, drawn without
    replacement from the power law p(g) ∝ g^(a - 1). The steps between hold the filler 0. Classes are the
    whole vocabulary. A model that knows the values of a sequence, but not whose they are, is right in
    1 / pairs of the queries.

    From Arora et al. 2023, "Zoology" (arXiv:2312.04927). Full (their figure 2): vocabulary_size=8192 with
    (length, pairs) = (64, 4), (128, 8), (256, 16) and (512, 64), train_size=100000, test_size=3000; batches
    of 512 down to 128, 64 epochs, the best of four learning rates from 1e-4 to 1e-2, two layers. Their later
    papers have random_fillers=true. Reduced: vocabulary_size=1024 with length=64, pairs=8, train_size=20000.
    """

    config: RecallConfig

    @property
    def description(self) -> str:
        config = self.config
        which = f"knowing which there are: 1/{config.pairs}"
        return f"the values of {config.pairs} keys in {config.length} steps ({which})"

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(str(number) for number in range(self.config.vocabulary_size))

    @property
    def steps(self) -> int:
        return self.config.length

    def draw(self, random: np.random.Generator, split: str, index: int) -> Labelled:
        config = self.config
        half = config.vocabulary_size // 2
        keys = 1 + random.choice(half - 1, config.pairs, replace=False)
        values = half + random.choice(config.vocabulary_size - half, config.pairs, replace=False)
        places = random.choice(len(self._gaps), config.pairs, replace=False, p=self._gaps)
        queries = 2 * config.pairs + 2 * places
        inputs = np.full(config.length, FILLER)
        if config.random_fillers:
            inputs = random.integers(config.vocabulary_size, size=config.length)
        inputs[0 : 2 * config.pairs : 2] = keys
        inputs[1 : 2 * config.pairs : 2] = values
        inputs[queries] = keys
        targets = np.full(config.length, IGNORED)
        targets[queries] = values
        return inputs, targets

    @cached_property
    def _gaps(self) -> np.ndarray:
        """The probability of each place of a query."""
        places = (self.config.length - 2 * self.config.pairs) // 2
        weights = np.arange(1, places + 1) ** (self.config.power - 1.0)
        return np.asarray(weights / weights.sum())
