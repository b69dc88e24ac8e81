"""What a verdict compares: a metric that follows from an error of each test sequence."""

import math
from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric


class Form(Enum):
    """How a metric follows from errors: the share without one, their mean, or the root of their mean."""

    RIGHT = "right"
    MEAN = "mean"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric by its name in the test, and how it follows from errors."""

    name: str
    form: Form

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        return self.form is Form.RIGHT

    def of(self, errors: float, items: float) -> float:
        """The metric, from the sum of the errors of so many items."""
        mean = errors / max(items, 1)
        match self.form:
            case Form.RIGHT:
                return 1 - mean
            case Form.MEAN:
                return mean
            case Form.ROOT:
                return math.sqrt(mean)


class ErrorsBySequence(Metric):
    """The summed errors and the number of items of each sequence, by its number in its split."""

    full_state_update = False
    index: list[Tensor] | Tensor
    errors: list[Tensor] | Tensor
    items: list[Tensor] | Tensor

    def __init__(self) -> None:
        super().__init__()
        for state in ("index", "errors", "items"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def update(
        self,
        index: Int[Tensor, " batch"],
        errors: Float[Tensor, " batch"],
        items: Float[Tensor, " batch"],
    ) -> None:
        """Add the sequences of a batch."""
        for states, values in ((self.index, index), (self.errors, errors), (self.items, items)):
            assert isinstance(states, list)
            states.append(values.detach())

    def compute(self) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
        """The numbers of all sequences, in order, their errors and their items, on the CPU."""
        index, errors, items = (
            torch.cat(state).cpu() if isinstance(state, list) else state.cpu()
            for state in (self.index, self.errors, self.items)
        )
        order = index.argsort()
        return index[order], errors[order], items[order]


def by_sequence(
    rows: Float[Tensor, " rows"], sequence: Int[Tensor, " rows"], sequences: int
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """The sums of rows, and their numbers, for each of the sequences that they belong to."""
    zeros = torch.zeros(sequences, device=rows.device, dtype=rows.dtype)
    return zeros.index_add(0, sequence, rows), zeros.index_add(0, sequence, torch.ones_like(rows))
