"""Inputs that cannot be read, so that the predictions for all others can be made."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from unroll.errors import InputError

MOST_TOLD = 20
"""Of more faults the first ones are kept, to be told one by one, and the rest are counted."""


@dataclass(slots=True)
class Refused:
    """The faults of single inputs, by file and line: the first ones, and how many there are."""

    first: list[InputError] = field(default_factory=list)
    count: int = 0

    def add(self, error: InputError) -> None:
        """Note the fault of one more input."""
        self.count += 1
        if len(self.first) < MOST_TOLD:
            self.first.append(error)


@contextmanager
def noting(refused: Refused | None) -> Iterator[None]:
    """Note an `InputError` within, which is that of one input; raise it if there is nothing to note it in."""
    try:
        yield
    except InputError as error:
        if refused is None:
            raise
        refused.add(error)
