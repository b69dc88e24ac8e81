"""State tracking: the running product of elements of a finite group."""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import permutations

import numpy as np
import torch
from jaxtyping import Int

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.samples import common_length
from unroll.data.synthetic.base import UnseenSequences, token_ids, token_vocabulary
from unroll.data.synthetic.labelled import LabelledTokensConfig
from unroll.spec import DataSpec


class Group(Enum):
    """A finite group.

    S3 and S5: all permutations of three or five things (6, 120). A5: the even ones of five (60); it is the
    smallest group that is not solvable. Z60: the numbers 0 to 59, added modulo 60.
    """

    S3 = "S3"
    A5 = "A5"
    S5 = "S5"
    Z60 = "Z60"


@register("data", "state_tracking")
@dataclass(kw_only=True, slots=True)
class StateTrackingConfig(LabelledTokensConfig):
    """Config of products in a finite group.

    Attributes:
        group: S3, A5, S5 (permutations) or Z60 (numbers modulo 60)
        min_length: the shortest training sequence
        max_length: the longest training sequence; lengths are uniform
        test_length: the length of every test sequence
    """

    name: str = "state_tracking"
    group: Group = Group.A5
    min_length: int = 2
    max_length: int = 32
    test_length: int = 128

    def __post_init__(self) -> None:
        LabelledTokensConfig.__post_init__(self)
        self.require_positive("min_length")
        self.require_ranges("length")
        longer = self.test_length > self.max_length
        require(self, "test_length", longer, f"more than max_length={self.max_length}")

    def longest(self) -> int:
        return 2 * self.test_length


@builds(StateTrackingConfig)
class StateTracking(UnseenSequences):
    """Inputs are elements of a group, as tokens (T,); targets the products x₁ · … · x_t of all so far (T,).

    Elements are uniform and independent, so every product is, too: chance is 1 / |G|. A permutation is
    written as what it makes of 1 2 3 …, and (p · q)(i) = p(q(i)).

    From Merrill, Petty & Sabharwal 2024, "The Illusion of State in State-Space Models" (arXiv:2404.08819),
    whose groups are A5, Z60 and A4 × Z5; S3 and S5 are those of Grazzi et al. 2025 (arXiv:2411.12537). The
    word problem of A5 and of S5 is complete for NC¹: an RNN solves it in one layer at any length; a
    Transformer, and a linear recurrence with a diagonal transition, needs ever more layers.

    The paper trains on a length k and on length 2, to k = 25, and asks which depth reaches 90 % of the
    products. Here one model sees lengths from 2 to 32, and is tested on 128. `test/accuracy` is over all
    steps of the test sequences; the first quarter of them is no longer than training. No validation sequence
    is in training; no test sequence can be. Full: group=A5, S5 and Z60, train_size=100000. Reduced:
    group=S3, then A5, train_size=20000.
    """

    config: StateTrackingConfig

    @property
    def description(self) -> str:
        config = self.config
        size = len(self.elements)
        return (
            f"products in {config.group.value} ({size} elements, chance 1/{size}), trained on "
            f"{config.min_length} to {config.max_length} steps, tested on {config.test_length}"
        )

    def make_spec(self) -> DataSpec:
        config = self.config
        vocabulary = token_vocabulary(self.elements)
        return DataSpec(
            signature=config.signature(),
            input_size=len(vocabulary),
            target_size=len(self.elements),
            length=common_length([config.min_length, config.max_length, config.test_length]),
            input_vocabulary=vocabulary,
            target_vocabulary=self.elements,
        )

    def draw_sequence(self, random: np.random.Generator, split: str) -> np.ndarray:
        config = self.config
        length = config.test_length
        if split != "test":
            length = int(random.integers(config.min_length, config.max_length + 1))
        return random.integers(len(self.elements), size=length)

    @property
    def limits(self) -> str:
        return f"max_length={self.config.max_length} and group={self.config.group.value}"

    def sample(self, index: int, item: np.ndarray) -> Sample:
        product, products = int(item[0]), [int(item[0])]
        for element in item[1:].tolist():
            product = self._table[product][element]
            products.append(product)
        return Sample(index, token_ids(item), torch.tensor(products))

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """The names of the elements; the identity is the first."""
        if self.config.group is Group.Z60:
            return tuple(str(number) for number in range(60))
        return tuple("".join(str(image + 1) for image in row) for row in self._permutations.tolist())

    @cached_property
    def _table(self) -> list[list[int]]:
        """The number of a · b, by those of a and b."""
        if self.config.group is Group.Z60:
            return [[(a + b) % 60 for b in range(60)] for a in range(60)]
        numbers = {tuple(row): number for number, row in enumerate(self._permutations.tolist())}
        return [
            [numbers[tuple(row)] for row in permutation[self._permutations].tolist()]
            for permutation in self._permutations
        ]

    @cached_property
    def _permutations(self) -> Int[np.ndarray, "elements things"]:
        things = int(self.config.group.value[1:])
        rows = np.array(list(permutations(range(things))))
        if self.config.group is not Group.A5:
            return rows
        later, earlier = np.tril_indices(things, -1)
        odd = (rows[:, earlier] > rows[:, later]).sum(axis=1) % 2
        return rows[np.flatnonzero(odd == 0)]
