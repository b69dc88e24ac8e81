"""The copying memory problem: ten tokens to repeat after a long time."""

from dataclasses import dataclass

import numpy as np
import torch

from unroll.config.registry import builds, register, require
from unroll.data.collate import Sample
from unroll.data.synthetic.base import SyntheticConfig, SyntheticData
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature

MEMORY = 10
"""Number of tokens to remember."""

CATEGORIES = ("0", "1", "2", "3", "4", "5", "6", "7", "_", ":")
"""a₀ … a₉ of the paper: eight to remember, the blank and the delimiter."""

BLANK, DELIMITER = 8, 9


@register("data", "copy_memory")
@dataclass(kw_only=True, slots=True)
class CopyMemoryConfig(SyntheticConfig):
    """Config of the copying memory problem.

    Attributes:
        delay: T of the paper; sequences have T + 20 steps
    """

    name: str = "copy_memory"
    delay: int = 100

    def __post_init__(self) -> None:
        SyntheticConfig.__post_init__(self)
        require(self, "delay", self.delay >= 1, "1 or more")

    def signature(self) -> Signature:
        return Signature(Kind.TOKENS, Kind.CLASSES, Alignment.STEP)


@builds(CopyMemoryConfig)
class CopyMemory(SyntheticData):
    """Ten tokens of eight kinds, T - 1 blanks, a delimiter, ten blanks; all are to be given back at the end.

    Inputs are tokens (T + 20,); targets classes (T + 20,): T + 10 blanks, then the ten tokens. A class is an
    input token less the special ones; the delimiter is never a target, which leaves nine.

    Whoever remembers nothing can do no better than blanks and then a guess: a cross-entropy of
    10 ln 8 / (T + 20) per step (0.173 at T = 100) and an accuracy of 1/8 on the last ten steps.

    From Hochreiter & Schmidhuber 1997, in the form of Arjovsky, Shah & Bengio 2016 (arXiv:1511.06464).
    """

    config: CopyMemoryConfig

    @property
    def description(self) -> str:
        return f"ten tokens to repeat after {self.config.delay} steps (memoryless: {self.baseline:.3f} nats)"

    @property
    def baseline(self) -> float:
        """The cross-entropy per step, in nats, of the best strategy without memory."""
        return float(MEMORY * np.log(BLANK)) / (self.config.delay + 2 * MEMORY)

    def describe(self) -> DataSpec:
        vocabulary = (*SPECIAL_TOKENS, *CATEGORIES)
        return DataSpec(
            signature=self.config.signature(),
            input_size=len(vocabulary),
            target_size=DELIMITER,
            length=self.config.delay + 2 * MEMORY,
            input_vocabulary=vocabulary,
            target_vocabulary=CATEGORIES[:DELIMITER],
        )

    def sample(self, split: int, index: int) -> Sample:
        memory = torch.from_numpy(self.random(split, index).integers(BLANK, size=MEMORY))
        length = self.config.delay + 2 * MEMORY
        inputs = torch.full((length,), BLANK)
        inputs[:MEMORY] = memory
        inputs[-MEMORY - 1] = DELIMITER
        targets = torch.full((length,), BLANK)
        targets[-MEMORY:] = memory
        return Sample(index, inputs + len(SPECIAL_TOKENS), targets)
