"""The classes of the training data: names ↔ ids."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from unroll.errors import InputError
from unroll.spec import IGNORED

MAX_LISTED_CLASSES = 20
"""How many classes a message lists."""


class ClassNames:
    """Names of classes by id, sorted."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._ids = {name: index for index, name in enumerate(names)}

    @classmethod
    def of(cls, labels: Iterable[str], place: str) -> "ClassNames":
        """The classes of the training labels; the first label stands at `place`.

        Raises:
            InputError: there is only one class.
        """
        names = tuple(sorted(set(labels)))
        if len(names) < 2:
            raise InputError(f"{place}: '{names[0]}' is the only class in training; give data of two or more")
        return cls(names)

    def encode(self, names: Sequence[str] | np.ndarray, place: Callable[[int], str]) -> list[int]:
        """The ids of classes. `place` gives the place of each name by its number.

        Raises:
            InputError: a class that no training label has.
        """
        ids = [self._ids.get(name, IGNORED) for name in names]
        if IGNORED in ids:
            number = ids.index(IGNORED)
            name = names[number]
            more = " …" if len(self.names) > MAX_LISTED_CLASSES else ""
            known = ", ".join(self.names[:MAX_LISTED_CLASSES]) + more
            raise InputError(
                f"{place(number)}: class '{name}' is not in the training data, which have: {known}; mend it, "
                "leave it out, or split so that training has it"
            )
        return ids
