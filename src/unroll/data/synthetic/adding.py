"""The adding problem: two numbers to remember over a long time."""

from dataclasses import dataclass

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticData
from unroll.spec import Alignment, DataSpec, Kind, Signature


@register("data", "adding")
@dataclass(kw_only=True, slots=True)
class AddingConfig(SplitSizesConfig):
    """Config of the adding problem.

    Attributes:
        length: steps of a sequence
        halves: whether one mark is in each half of a sequence; false marks any two steps
    """

    name: str = "adding"
    length: int = 100
    halves: bool = True

    def __post_init__(self) -> None:
        SplitSizesConfig.__post_init__(self)
        require(self, "length", self.length >= 2, "2 or more")

    def longest(self) -> int:
        return 2 * self.length + 1

    def signature(self) -> Signature:
        return Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.SEQUENCE)


@builds(AddingConfig)
class Adding(SyntheticData[tuple[np.ndarray, list[int]]]):
    """Inputs (T, 2): a number from U[0, 1) and a mark at each step; target (1,): the sum of the two marked.

    One step of the first half (⌊T/2⌋ steps) is marked and one of the second half, each uniformly at random;
    with halves=false, two different steps of all. A model that always answers 1 has a mean squared error of
    1/6 ≈ 0.167, the variance of the sum of two numbers from U[0, 1). A model with a smaller error remembers.

    From Hochreiter & Schmidhuber 1997, in the form of Arjovsky, Shah & Bengio 2016 (arXiv:1511.06464). That
    of Bai, Kolter & Koltun 2018 (arXiv:1803.01271) is halves=false. Full: length=200, 400 and 600 (table 1
    has 600), train_size=50000, test_size=1000, batch_size=32. Reduced: length=200, train_size=20000.
    """

    config: AddingConfig

    @property
    def description(self) -> str:
        return f"the adding problem, {self.config.length} steps (always 1: MSE 0.167)"

    def make_spec(self) -> DataSpec:
        return DataSpec(
            signature=self.config.signature(),
            input_size=2,
            target_size=1,
            length=self.config.length,
            input_names=("number", "mark"),
            target_names=("sum",),
        )

    def draw(self, random: np.random.Generator, split: str, index: int) -> tuple[np.ndarray, list[int]]:
        """The numbers (T,), and the two steps that are marked."""
        length = self.config.length
        numbers = random.uniform(size=length)
        if not self.config.halves:
            return numbers, random.choice(length, 2, replace=False).tolist()
        return numbers, [int(random.integers(length // 2)), int(random.integers(length // 2, length))]

    def sample(self, index: int, item: tuple[np.ndarray, list[int]]) -> Sample:
        numbers, marked = item
        marks = np.zeros(len(numbers))
        marks[marked] = 1.0
        inputs = torch.from_numpy(np.stack([numbers, marks], axis=1)).float()
        return Sample(index, inputs, inputs[marked, 0].sum(dim=0, keepdim=True))
