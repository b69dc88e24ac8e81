"""The samples of a split."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


def common_length(lengths: Iterable[int]) -> int:
    """The length that all share, or 0 where they differ: `length` of a DataSpec."""
    different = set(lengths)
    return different.pop() if len(different) == 1 else 0
