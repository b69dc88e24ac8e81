"""The samples of a split."""

import dataclasses
import itertools
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

from torch.utils.data import Dataset

from unroll.data.collate import Sample


@dataclass(frozen=True, slots=True)
class Steps:
    """What a sample is called, empty if it has no name, and its steps: by their times, as text."""

    name: str
    times: list[str]


class Samples(Dataset[Sample]):
    """A list of samples as a torch Dataset. Their `lengths` are counted unless they are given."""

    def __init__(self, samples: Sequence[Sample], lengths: list[int] | None = None) -> None:
        self.samples = samples
        self.lengths = [len(sample.inputs) for sample in samples] if lengths is None else lengths

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


class SamplesInParts(Sequence[Sample], ABC):
    """The samples of several parts, one part after the other. Each is made when it is asked for."""

    def __init__(self, sizes: Iterable[int]) -> None:
        """`sizes` are the numbers of samples in the parts."""
        self.ends = list(itertools.accumulate(sizes))

    @abstractmethod
    def make(self, index: int, part: int, number: int) -> Sample:
        """Sample `index` of all, which is sample `number` of a part."""

    def locate(self, index: int) -> tuple[int, int]:
        """The part of a sample, and its number there.

        Raises:
            IndexError: there is no such sample.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = bisect_right(self.ends, index)
        return part, index - (self.ends[part - 1] if part else 0)

    def __len__(self) -> int:
        return self.ends[-1]

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return self.make(index, *self.locate(index))


class _Joined(SamplesInParts):
    """The samples of several splits, numbered anew."""

    def __init__(self, splits: Sequence[Samples]) -> None:
        super().__init__(map(len, splits))
        self.splits = splits

    def make(self, index: int, part: int, number: int) -> Sample:
        return dataclasses.replace(self.splits[part][number], index=index)


def joined(splits: Sequence[Samples]) -> Samples:
    """The samples of several splits as one."""
    return Samples(_Joined(splits), [length for split in splits for length in split.lengths])


def common_length(lengths: Iterable[int]) -> int:
    """The length that all share, or 0 where they differ: `length` of a DataSpec."""
    different = set(lengths)
    return different.pop() if len(different) == 1 else 0
