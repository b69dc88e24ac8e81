"""The adding problem: two numbers to remember over a long time."""

from dataclasses import dataclass

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.synthetic.base import SyntheticConfig, SyntheticData
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("data", "adding")
@dataclass(kw_only=True, slots=True)
class AddingConfig(SyntheticConfig):
    """Config of the adding problem.

    Attributes:
        length: steps of a sequence
    """

    name: str = "adding"
    length: int = 100

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        require(self, "length", self.length >= 2, "2 or more")

    def signature(self) -> Signature:
        return Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE)


@builds(AddingConfig)
class Adding(SyntheticData):
    """Inputs (T, 2): a number from U[0, 1) and a mark at each step; target (1,): the sum of the two marked.

    One step of the first half (⌊T/2⌋ steps) bears a mark and one of the second half, each uniformly at
    random. To answer 1 always gives a mean squared error of 1/6 ≈ 0.167, the variance of the sum of two
    numbers from U[0, 1): a model that does better remembers.

    From Hochreiter & Schmidhuber 1997, in the form of Arjovsky, Shah & Bengio 2016 (arXiv:1511.06464).
    """

    config: AddingConfig

    @property
    def description(self) -> str:
        return f"the adding problem, {self.config.length} steps (always 1: MSE 0.167)"

    def describe(self) -> DataSpec:
        return DataSpec(
            signature=self.config.signature(),
            input_size=2,
            target_size=1,
            length=self.config.length,
            input_names=("number", "mark"),
            target_names=("sum",),
        )

    def sample(self, split: int, index: int) -> Sample:
        random = self.random(split, index)
        length = self.config.length
        numbers = random.uniform(size=length)
        first, second = random.integers(length // 2), random.integers(length // 2, length)
        marks = np.zeros(length)
        marks[[first, second]] = 1.0
        inputs = torch.from_numpy(np.stack([numbers, marks], axis=1)).float()
        return Sample(index, inputs, inputs[[first, second], 0].sum(dim=0, keepdim=True))
