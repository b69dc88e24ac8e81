"""The samples of a split."""

import dataclasses
import itertools
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


class _Joined(Sequence[Sample]):
    """The samples of several splits, one after the other, numbered anew."""

    def __init__(self, splits: Sequence[Samples]) -> None:
        self.splits = splits
        self.ends = list(itertools.accumulate(map(len, splits)))

    def __len__(self) -> int:
        return self.ends[-1]

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        split = bisect_right(self.ends, index)
        before = self.ends[split] - len(self.splits[split])
        return dataclasses.replace(self.splits[split][index - before], index=index)


def joined(splits: Sequence[Samples]) -> Samples:
    """The samples of several splits as one."""
    return Samples(_Joined(splits), [length for split in splits for length in split.lengths])


def common_length(lengths: Iterable[int]) -> int:
    """The length that all share, or 0 where they differ: `length` of a DataSpec."""
    different = set(lengths)
    return different.pop() if len(different) == 1 else 0
