"""Mean, standard deviation and range of features, a chunk of samples at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Statistics:
    """Statistics of the features in the last axis of tensors, over all other axes."""

    def __init__(self, features: int) -> None:
        self.features = features
        self.count = 0
        self.shift: Tensor | None = None
        self.sums = torch.zeros(features, dtype=torch.double)
        self.squares = torch.zeros(features, dtype=torch.double)
        self.low = torch.full((features,), torch.inf)
        self.high = torch.full((features,), -torch.inf)

    def update(self, tensors: Sequence[Tensor]) -> None:
        """Add the values of these tensors."""
        rows = torch.cat(list(tensors)).view(-1, self.features)
        if self.shift is None:
            self.shift = rows[0].double()  # squares of values near it lose no precision
        self.low = torch.minimum(self.low, rows.amin(dim=0))
        self.high = torch.maximum(self.high, rows.amax(dim=0))
        shifted = rows.double() - self.shift
        self.sums += shifted.sum(dim=0)
        self.squares += shifted.square().sum(dim=0)
        self.count += len(rows)

    def by_name(self, names: Sequence[str], added: Sequence[float] = ()) -> dict[str, dict[str, float]]:
        """The mean, sd, min and max of each feature; without names, by its number from 1.

        `added` are the numbers by which the values of each feature are too small, n times over.
        """
        assert self.shift is not None
        mean = self.sums / self.count
        sd = (self.squares / self.count - mean.square()).clamp(min=0).sqrt()
        more = torch.tensor(added or [0.0], dtype=torch.double)
        more = more.repeat(self.features // len(more))
        places = [mean + self.shift + more, sd, self.low.double() + more, self.high.double() + more]
        columns = torch.stack(places, dim=1).tolist()
        names = names or [str(number + 1) for number in range(self.features)]
        keys = ("mean", "sd", "min", "max")
        return {
            name: dict(zip(keys, column, strict=True)) for name, column in zip(names, columns, strict=True)
        }
