"""Noisy recall of the MAD suite: keys and values with noise between them."""

from dataclasses import dataclass

import numpy as np

from unroll.config.registry import builds, register, require
from unroll.data.synthetic.labelled import Labelled, LabelledTokens
from unroll.data.synthetic.mad.base import MadRecallConfig, next_tokens


@register("data", "noisy_recall")
@dataclass(kw_only=True, slots=True)
class NoisyRecallConfig(MadRecallConfig):
    """Config of noisy in-context recall.

    Attributes:
        noise_vocabulary_size: how many of the tokens are noise; half of the others are keys, half values
        noise: share of pairs that are noise
    """

    name: str = "noisy_recall"
    vocabulary_size: int = 32
    noise_vocabulary_size: int = 16
    noise: float = 0.2

    def __post_init__(self) -> None:
        MadRecallConfig.__post_init__(self)
        self.require_positive("noise_vocabulary_size")
        most = self.vocabulary_size - 2
        require(self, "noise_vocabulary_size", self.noise_vocabulary_size <= most, f"{most} or less")
        require(self, "length", self.length >= 4 and self.length % 2 == 0, "even, and 4 or more")
        require(self, "noise", 0 <= self.noise < 1, "in [0, 1)")


@builds(NoisyRecallConfig)
class NoisyRecall(LabelledTokens):
    """Inputs are k v k v … (T - 1,), a fifth of the pairs noise; targets the value at each key seen before.

    Each key has one value in a sequence, drawn anew for the next one; two keys may have the same. At least
    one pair is none of noise, and the last asks for a key that has been shown. Tokens are numbered keys,
    values, noise. A model that knows only that an answer is a value is right once in eight times.

    MAD suite, baseline (`mad/base.py`): 32 tokens, 16 of them noise, 128 tokens a sequence, of which a model
    reads 127. Reduced: the same, for fewer epochs (train_every_step=false learns sooner).
    """

    config: NoisyRecallConfig

    @property
    def description(self) -> str:
        return f"the value of a key among {self.config.noise:.0%} of noise (chance 1/{len(self._values)})"

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(str(number) for number in range(self.config.vocabulary_size))

    @property
    def steps(self) -> int:
        return self.config.length - 1

    @property
    def _values(self) -> range:
        told = self.config.vocabulary_size - self.config.noise_vocabulary_size
        return range(told // 2, told)

    def draw(self, random: np.random.Generator, split: str, index: int) -> Labelled:
        config = self.config
        pairs = config.length // 2
        value_of = random.integers(self._values.start, self._values.stop, size=self._values.start)
        keys = random.integers(self._values.start, size=pairs)
        is_noise = random.random(pairs) < config.noise
        is_noise[random.integers(pairs - 1)] = False
        is_noise[-1] = False
        keys[-1] = random.choice(np.unique(keys[:-1][~is_noise[:-1]]))
        tokens = np.stack([keys, value_of[keys]], axis=1)
        noise = random.integers(self._values.stop, config.vocabulary_size, size=(pairs, 2))
        tokens[is_noise] = noise[is_noise]
        # Of each key the first pair tells its value; the later ones ask for it.
        _, first = np.unique(tokens[:, 0], return_index=True)
        answers = np.zeros((pairs, 2), dtype=bool)
        answers[:, 1] = ~is_noise
        answers[first] = False
        every_step = split == "train" and config.train_every_step
        return next_tokens(tokens.reshape(-1), answers.reshape(-1), every_step=every_step)
