"""How much memory a piece of work takes, or a process, as measured."""

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
    """Bytes of these tensors' values."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The most bytes of tensors that were alive at once while `work` ran, beyond those alive before.

    On CUDA as its allocator counts them; on a CPU from the profiler's record of every allocation, which
    makes the work several times slower.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # it writes of its starts and stops to stderr
    # `with profile(…)` would record every operation too, in 300 KB for each step of a recurrence. Asked here
    # are those in scopes of a person's own, of which there are none.
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


def limit_memory() -> None:
    """Let this process be refused more memory than is free now, rather than the kernel end it, or another."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return
    free = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + int(free.split()[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def resident_bytes() -> int:
    """What this process takes now; where that cannot be read, the most it ever took."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_resident_bytes()
    return int(statm.read_text().split()[1]) * resource.getpagesize()


def peak_resident_bytes() -> int:
    """The most that this process ever took. The kernel counts in kilobytes, that of macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if os.uname().sysname == "Darwin" else peak * 1024
