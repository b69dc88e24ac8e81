"""What `torch.func.vmap` maps over, as one more axis of a batch."""

from collections.abc import Iterator

from torch import Tensor


def mapped_first(size: int, in_dims: tuple[int | None, ...], tensors: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """The tensors with the axis that is mapped over first. One without is repeated as a view."""
    for tensor, dim in zip(tensors, in_dims, strict=True):
        yield tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
