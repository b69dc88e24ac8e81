"""How much memory a piece of work takes."""

import os
import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._C import _autograd, _profiler
from torch.autograd.graph import saved_tensors_hooks
from torch.autograd.profiler import profile


def size_of(tensors: Iterable[Tensor]) -> int:
    """The bytes of these tensors' values."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The peak of the bytes of tensors alive while `work` runs, without those alive before.

    CUDA's allocator counts them. On a CPU the profiler records every allocation, which makes the work several
    times slower.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # or it logs its starts and stops to stderr
    # `with profile(…)` would also record every operation: 300 KB for each step of a recurrence. Here it is
    # limited to operations in scopes that a user has opened, and there are none.
    settings: Any = profile(use_kineto=True, profile_memory=True)
    backend: Any = _autograd
    backend._prepare_profiler(settings.config(), settings.kineto_activities)
    scopes = {_profiler.RecordScope.USER_SCOPE}
    backend._enable_profiler(settings.config(), settings.kineto_activities, scopes)
    try:
        work()
    finally:
        record = backend._disable_profiler()
    events = [event for event in record.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def kept_bytes(work: Callable[[], Tensor], besides: Iterable[Tensor]) -> int:
    """The bytes that autograd keeps for the backward pass of the tensor that `work` computes.

    Memory that several tensors share counts once. The memory of `besides`, such as inputs and parameters,
    does not count.
    """
    kept: dict[int, torch.UntypedStorage] = {}  # holds them, so that no address is reused meanwhile

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


def limit_memory() -> None:
    """Refuse this process more memory than is free now; else the kernel would kill it, or another one."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return
    free = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + int(free.split()[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
