"""The copying memory problem: ten tokens to repeat after a long time."""

from dataclasses import dataclass

import numpy as np
import torch

from unroll.config.registry import builds, register
from unroll.data.collate import Sample
from unroll.data.synthetic.base import SplitSizesConfig, SyntheticData, token_ids, token_vocabulary
from unroll.spec import Alignment, DataSpec, Kind, Signature

MEMORY_SIZE = 10
"""How many tokens there are to remember."""

CATEGORIES = ("0", "1", "2", "3", "4", "5", "6", "7", "_", ":")
"""a₀ … a₉ of the paper: eight to remember, the blank and the delimiter."""

BLANK, DELIMITER = 8, 9


@register("data", "copy_memory")
@dataclass(kw_only=True, slots=True)
class CopyMemoryConfig(SplitSizesConfig):
    """Config of the copying memory problem.

    Attributes:
        delay: T of the paper; sequences have T + 20 steps
        delimit_answers: whether the delimiter stands at each of the ten answers, too, and not blanks
    """

    name: str = "copy_memory"
    delay: int = 100
    delimit_answers: bool = False

    def __post_init__(self) -> None:
        SplitSizesConfig.__post_init__(self)
        self.require_positive("delay")

    def longest(self) -> int:
        return 2 * (self.delay + 20)

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)


@builds(CopyMemoryConfig)
class CopyMemory(SyntheticData[np.ndarray]):
    """Ten tokens of eight kinds, T - 1 blanks, a delimiter and ten blanks, where the ten are to be repeated.

    Inputs are tokens (T + 20,); targets classes (T + 20,): T + 10 blanks, then the ten tokens. There are nine
    classes: the eight kinds and the blank. The delimiter is never a target.

    A model without memory can at best predict the blanks and then guess. Its cross-entropy is
    10 ln 8 / (T + 20) per step (0.173 at T = 100) and its accuracy 1/8 on the last ten steps.

    From Hochreiter & Schmidhuber 1997, in the form of Arjovsky, Shah & Bengio 2016 (arXiv:1511.06464). That
    of Bai, Kolter & Koltun 2018 (arXiv:1803.01271) is delimit_answers=true, which asks for the tokens step by
    step; their models read each token as one number, and have a tenth class that is never right. Full:
    delay=500, 1000 and 2000 (table 1 has 1,000), train_size=10000, test_size=1000, batch_size=32. Reduced:
    delay=200.
    """

    config: CopyMemoryConfig

    @property
    def description(self) -> str:
        return f"ten tokens to repeat after {self.config.delay} steps (memoryless: {self.baseline:.3f} nats)"

    @property
    def baseline(self) -> float:
        """The cross-entropy per step, in nats, of the best strategy without memory."""
        return float(MEMORY_SIZE * np.log(BLANK)) / self._length

    @property
    def _length(self) -> int:
        return self.config.delay + 2 * MEMORY_SIZE

    def make_spec(self) -> DataSpec:
        vocabulary = token_vocabulary(CATEGORIES)
        return DataSpec(
            signature=self.config.signature(),
            input_size=len(vocabulary),
            target_size=DELIMITER,
            length=self._length,
            input_vocabulary=vocabulary,
            target_vocabulary=CATEGORIES[:DELIMITER],
        )

    def draw(self, random: np.random.Generator, split: str, index: int) -> np.ndarray:
        """The tokens to remember (10,)."""
        return random.integers(BLANK, size=MEMORY_SIZE)

    def sample(self, index: int, item: np.ndarray) -> Sample:
        memory = torch.from_numpy(item)
        inputs = torch.full((self._length,), BLANK)
        inputs[:MEMORY_SIZE] = memory
        inputs[-MEMORY_SIZE - 1] = DELIMITER
        if self.config.delimit_answers:
            inputs[-MEMORY_SIZE:] = DELIMITER
        targets = torch.full((self._length,), BLANK)
        targets[-MEMORY_SIZE:] = memory
        return Sample(index, token_ids(inputs), targets)
