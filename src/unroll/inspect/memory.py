"""How much memory a piece of work takes, as measured."""

import os
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile


def size_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of these tensors' values."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The most bytes of tensors that were alive at once while `work` ran, beyond those alive before.

    On CUDA as its allocator counts them; on a CPU from the profiler's record of every allocation, which
    makes the work several times slower. What oneDNN allocates for itself is not seen.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # it writes of its starts and stops to stderr
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    assert record.profiler is not None
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def kept_bytes(work: Callable[[], Tensor], besides: Iterable[Tensor]) -> int:
    """The bytes that autograd keeps for the backward pass of what `work` computes.

    Memory that several tensors share counts once; that of `besides`, such as inputs and parameters, not.
    """
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no address is given to another meanwhile

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        result = work()
    del result
    for tensor in besides:
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(storage.nbytes() for storage in kept.values())
