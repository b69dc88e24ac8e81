"""The versions and the hardware that the bits of a run depend on, besides its config and its data."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unroll import __version__
from unroll.config.root import Accelerator, TrainerConfig
from unroll.errors import MissingEnvironmentError

RECORDED_PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "wandb", "torchmetrics", "numpy")

RECORDED_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE"),
    *("DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "NVIDIA_TF32_OVERRIDE"),
    *("CUBLAS_WORKSPACE_CONFIG", "CUDA_LAUNCH_BLOCKING", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)
"""Environment variables that choose among kernels which round differently."""

WORKSPACE_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
ONE_BUFFER_WORKSPACE = ":16:8"
"""The one setting with which torch's algorithms and cuDNN's LSTM and GRU add numbers in a fixed order."""


def environment(config: TrainerConfig) -> dict[str, Any]:
    """Versions, hardware, and the numbers of threads and processes, as plain values."""
    gpu = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {"unroll": __version__, **{package: version(package) for package in RECORDED_PACKAGES}},
        "cpu": _cpu(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkl": torch.backends.mkl.is_available(),  # type: ignore[no-untyped-call]
        "onednn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
        "threads": torch.get_num_threads(),
        "processes": processes(config),
        "nodes": config.num_nodes,
        "strategy": config.strategy,
        "precision": config.precision,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if gpu else None,  # type: ignore[no-untyped-call]
        "variables": {name: os.environ[name] for name in RECORDED_VARIABLES if name in os.environ},
    }


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The differences between two environments, in words."""
    before = {"nodes": 1, **before}  # runs of earlier versions did not record it
    lines = {
        key: f"{key} was {before.get(key)}, is {value}"
        for key, value in now.items()
        if before.get(key) != value
    }
    if "processes" in lines:
        lines["processes"] += f", so that a step reads {now['processes']} × data.batch_size sequences"
    return list(lines.values())


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Restrict torch to deterministic algorithms, if `wanted`; afterwards the old settings hold again.

    Enter it before anything runs on a GPU. Lightning's own option comes too late, and lets cuDNN's recurrent
    kernels differ.

    Raises:
        MissingEnvironmentError: CUDA was in use before, or an operation has no deterministic algorithm.
    """
    if not wanted:
        yield
        return
    if torch.cuda.is_initialized() and os.environ.get(WORKSPACE_VARIABLE) != ONE_BUFFER_WORKSPACE:  # type: ignore[no-untyped-call]
        raise MissingEnvironmentError(
            "trainer.deterministic=true: this process has used a GPU before; set "
            f"{WORKSPACE_VARIABLE}={ONE_BUFFER_WORKSPACE}"
        )
    os.environ[WORKSPACE_VARIABLE] = ONE_BUFFER_WORKSPACE
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    except RuntimeError as error:
        if "deterministic implementation" not in str(error):
            raise
        operation = str(error).split(" does not have")[0]
        raise MissingEnvironmentError(
            f"trainer.deterministic=true: torch has no deterministic {operation} on this device; try "
            "trainer.accelerator=cpu, or set it to false"
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.deterministic = before[1]


def processes(config: TrainerConfig) -> int:
    """The number of processes of a run, on all of its nodes."""
    return config.num_nodes * devices(config)


def devices(config: TrainerConfig) -> int:
    """The number of processes of a run on each of its nodes."""
    if config.devices != "auto":
        return int(config.devices)
    return 1 if config.accelerator is Accelerator.cpu else max(1, torch.cuda.device_count())


def _cpu() -> str:
    """The name of the processor, by which numerical libraries choose their kernels."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
