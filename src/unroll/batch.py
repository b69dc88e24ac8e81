"""What data hands to models: a padded batch of sequences with their lengths."""

import dataclasses
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_ON_HOST: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()
"""What is known on the host of tensors on a device; an entry ends with its tensor."""

InputTensor = Float[Tensor, "batch time features"] | Int[Tensor, "batch time"]
TargetTensor = Float[Tensor, "batch *time_out outputs"] | Int[Tensor, "batch *time_out"]


@dataclass(slots=True, kw_only=True)
class SequenceBatch:
    """A batch of sequences, padded at the end to the longest.

    `index` holds each sample's number in its data set, so that a message can name it. `targets` are

    - one per sequence: classes (B,), or values or labels (B, O);
    - one per step: classes (B, T), or values or labels (B, T, O), as long as the inputs;
    - unaligned: tokens (B, T_out), each sequence ending in END, or values (B, T_out, O); `target_lengths`
      counts their steps, END included.

    `references` lists every acceptable target of each sequence (a word's pronunciations), without END, if a
    data set can have more than one. `characters` holds the spelling of each input token, padded with PAD.

    If the data are windows of several series, `series` is the number of each one's series in its split, and
    `naive_error` the mean absolute change of that series over a season, for each forecast feature; NaN where
    there is none.

    `start` is set if the batch is a segment of a batch cut along time: the number of steps before it.
    """

    index: Int[Tensor, " batch"]
    inputs: InputTensor
    lengths: Int[Tensor, " batch"]
    targets: TargetTensor | None = None
    target_lengths: Int[Tensor, " batch"] | None = None
    references: list[list[list[int]]] | None = None
    characters: Int[Tensor, "batch time letters"] | None = None
    series: Int[Tensor, " batch"] | None = None
    naive_error: Float[Tensor, "batch forecast_features"] | None = None
    start: int | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def mask(self) -> Bool[Tensor, "batch time"]:
        """True on the valid steps of the inputs."""
        return mask_from_lengths(self.lengths, self.inputs.shape[1])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "SequenceBatch":
        """The same batch on another device. (Lightning calls it.) Its whole numbers stay on the host too."""

        def move(tensor: Tensor) -> Tensor:
            moved = tensor.to(device, non_blocking=non_blocking)
            if tensor.device.type == "cpu" and not tensor.is_floating_point():
                remember_on_host(moved, tensor)
            return moved

        return self._map(move)

    def pin_memory(self) -> "SequenceBatch":
        """The same batch in page-locked memory. (The DataLoader calls it.)"""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Callable[[Tensor], Tensor]) -> "SequenceBatch":
        tensors: dict[str, Any] = {
            field.name: function(value)
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return dataclasses.replace(self, **tensors)


def remember_on_host(tensor: Tensor, numbers: Tensor) -> None:
    """Keep the numbers of a tensor on a device at hand for `on_host`."""
    if tensor.device.type != "cpu":
        _ON_HOST[tensor] = numbers


def on_host(tensor: Tensor) -> Tensor:
    """The numbers of a tensor on the CPU. For those of a batch this does not wait for the device."""
    if tensor.device.type == "cpu":
        return tensor
    known = _ON_HOST.get(tensor)
    return tensor.cpu() if known is None else known


def mask_from_lengths(lengths: Int[Tensor, " batch"], time: int) -> Bool[Tensor, "batch time"]:
    """True on the first `lengths[b]` of `time` steps, False on the padding after them."""
    return torch.arange(time, device=lengths.device) < lengths[:, None]
