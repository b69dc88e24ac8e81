"""Induction heads: which token came after the trigger?"""

from dataclasses import dataclass, field

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.samples import common_length
from unroll.data.synthetic.base import SyntheticConfig, SyntheticData, token_ids, token_vocabulary
from unroll.spec import Alignment, DataSpec, Kind, Signature

TRIGGER = ">"


@register("data", "induction")
@dataclass(kw_only=True, slots=True)
class InductionConfig(SyntheticConfig):
    """Config of induction heads.

    Attributes:
        vocabulary_size: different tokens, the trigger included
        length: steps of a training sequence
        test_lengths: the lengths of test sequences
        train_size: sequences to train on
        valid_size: sequences to validate on, of the training length
        test_per_length: test sequences of each length
    """

    name: str = "induction"
    vocabulary_size: int = 16
    length: int = 256
    test_lengths: list[int] = field(default_factory=lambda: [64, 128, 256, 512, 1024])
    train_size: int = 20_000
    valid_size: int = 1_000
    test_per_length: int = 200

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        self.require_positive("train_size", "valid_size", "test_per_length")
        require(self, "vocabulary_size", self.vocabulary_size >= 3, "3 or more: the trigger and two others")
        require(self, "length", self.length >= 3, "3 or more")
        tested = len(self.test_lengths) > 0 and min(self.test_lengths) >= 3
        require(self, "test_lengths", tested, "at least one length, each of 3 or more steps")

    def longest(self) -> int:
        return max(self.length, *self.test_lengths) + 1

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.SEQUENCE)

    def sizes(self) -> dict[str, int]:
        test_size = len(self.test_lengths) * self.test_per_length
        return {"train": self.train_size, "valid": self.valid_size, "test": test_size}


@builds(InductionConfig)
class Induction(SyntheticData[np.ndarray]):
    """Inputs are random tokens (T,) with a trigger among them and as the last; target (): what came after it.

    The trigger stands at a place that is uniform over all that leave a token between it and its second
    coming. Chance is 1 / (vocabulary_size - 1).

    From Dao, Fu et al. 2023, "Hungry Hungry Hippos" (arXiv:2212.14052), table 1, after Olsson et al. 2022;
    the sizes are those of Gu & Dao 2023, "Mamba" (arXiv:2312.00752), table 11: 16 tokens, trained at length
    256 = 2⁸ and tested at 2⁶ to 2²⁰. (Whether they count the trigger among the 16 their paper does not say;
    here it counts.) Full: test_lengths up to what memory holds, and sequences drawn anew at every step,
    25 epochs of 8,192 steps of 8 sequences with two layers: train_size=65536 for 25 epochs comes near.
    Reduced: length=64, test_lengths=[32,64,128,256].
    """

    config: InductionConfig

    @property
    def description(self) -> str:
        config = self.config
        lengths = ", ".join(str(length) for length in config.test_lengths)
        return (
            f"the token after the trigger (chance 1/{config.vocabulary_size - 1}): "
            f"trained at length {config.length}, tested at {lengths}"
        )

    def make_spec(self) -> DataSpec:
        config = self.config
        tokens = tuple(str(number) for number in range(config.vocabulary_size - 1))
        vocabulary = token_vocabulary((*tokens, TRIGGER))
        return DataSpec(
            signature=config.signature(),
            input_size=len(vocabulary),
            target_size=len(tokens),
            length=common_length([config.length, *config.test_lengths]),
            input_vocabulary=vocabulary,
            target_vocabulary=tokens,
        )

    def draw(self, random: np.random.Generator, split: str, index: int) -> np.ndarray:
        """The numbers of the tokens (T,); the trigger is the last number."""
        config = self.config
        trigger = config.vocabulary_size - 1
        test_lengths = config.test_lengths
        length = test_lengths[index // config.test_per_length] if split == "test" else config.length
        tokens = random.integers(trigger, size=length)
        tokens[int(random.integers(length - 2))] = tokens[-1] = trigger
        return tokens

    def sample(self, index: int, item: np.ndarray) -> Sample:
        trigger = int(np.argmax(item))
        return Sample(index, token_ids(item), torch.tensor(int(item[trigger + 1])))
