"""Runs in processes of their own, which are killed at a chosen moment, and what is left of them compared."""

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from unroll.config.compose import CONF, check, compose

ROOT = Path(__file__).parent.parent
TIMES = {
    *("seconds", "train_seconds", "sequences_per_second", "tokens_per_second"),
    *("memory_bytes", "test_sequences_per_second"),
}

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["unroll.training.run", "torch._dynamo"])  # importing it takes seconds


def values_of(*overrides: str) -> dict[str, Any]:
    """What train.py would hand to `run`."""
    return check(compose(overrides), CONF)


@dataclass(frozen=True)
class At:
    """A moment: the `number`th time that a hook of Lightning is called, or something is done to a checkpoint.

    "written": all of it has been written beside its place, of which half is lost. "moved": it, or the one
    before it, has just been moved into its place.
    """

    event: str
    number: int

    def __str__(self) -> str:
        return f"{self.event}-{self.number}"


class Act(pl.Callback):
    """Sends this process signals at a moment."""

    def __init__(self, at: At, *signals: int) -> None:
        self.count = 0
        self.at = at
        self.signals = signals
        fsync, replace = os.fsync, Path.replace

        def written(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.name.endswith(".ckpt.tmp"):
                if self.count + 1 == at.number:
                    os.truncate(path, path.stat().st_size // 2)
                self.happened()
            fsync(descriptor)

        def moved(path: Path, target: Path) -> Path:
            replaced = replace(path, target)
            if ".ckpt" in target.name:
                self.happened()
            return replaced

        if at.event == "written":
            os.fsync = written
        elif at.event == "moved":
            Path.replace = moved  # type: ignore[method-assign]
        else:
            setattr(self, at.event, lambda *arguments, **more: self.happened())

    def happened(self) -> None:
        self.count += 1
        if self.count == self.at.number:
            for number in self.signals:
                os.kill(os.getpid(), number)


def start(
    values: dict[str, Any],
    folder: Path,
    *,
    resume: bool = False,
    act: tuple[At, *tuple[int, ...]] | None = None,
    environment: dict[str, str] | None = None,
    out: str = "out",
) -> BaseProcess:
    """A run in a process, group and session of its own; what it prints goes to a file, or a terminal."""
    process = processes.Process(target=_run, args=(values, folder, resume, act, environment or {}, out))
    process.start()
    return process


def of_two() -> dict[str, str]:
    """What Lightning tells both of two processes that belong together by their environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return {"NODE_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}


def both(function: Callable[..., None], *arguments: Any) -> list[int | None]:
    """Call a function in two processes that belong together; their exit codes.

    Its last arguments are the environment that tells so, and the rank.
    """
    environment = of_two()
    started = [processes.Process(target=function, args=(*arguments, environment, rank)) for rank in (0, 1)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    return [process.exitcode for process in started]


def start_two(
    values: dict[str, Any], folder: Path, act: tuple[At, *tuple[int, ...]] | None = None, ranks: str = "01"
) -> list[BaseProcess]:
    """The two processes of a run that goes on, or begins; `act` is for some of them."""
    run_dir = folder / values["run_dir"]
    run_dir.mkdir(exist_ok=True)
    environment = {**of_two(), "UNROLL_RUN_DIR": str(run_dir)}
    return [
        start(
            values,
            folder,
            resume=True,
            act=act if rank in ranks else None,
            environment={**environment, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]


def run_two(*arguments: Any, **options: Any) -> list[int | None]:
    """The exit codes of both."""
    started = start_two(*arguments, **options)
    for process in started:
        process.join()
    return [process.exitcode for process in started]


def run(values: dict[str, Any], folder: Path, **options: Any) -> int:
    """The exit code of a run."""
    process = start(values, folder, **options)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def killed(values: dict[str, Any], folder: Path, at: At, **options: Any) -> None:
    """A run that is killed at a moment."""
    code = run(values, folder, act=(at, signal.SIGKILL), **options)
    assert code == -signal.SIGKILL, f"{at} did not come: {code}\n{(folder / 'out').read_text()}"


def halted(values: dict[str, Any], folder: Path, at: At, **options: Any) -> BaseProcess:
    """A run that has been halted at a moment, and can go on or be killed."""
    process = start(values, folder, act=(at, signal.SIGSTOP), **options)
    while "T (stopped)" not in Path(f"/proc/{process.pid}/status").read_text():
        assert process.is_alive(), (folder / "out").read_text()
        time.sleep(0.05)
    return process


def finished(values: dict[str, Any], folder: Path, **options: Any) -> None:
    """A run that ends well."""
    code = run(values, folder, **options)
    assert code == 0, (folder / "out").read_text()


def _run(
    values: dict[str, Any],
    folder: Path,
    resume: bool,
    act: tuple[At, *tuple[int, ...]] | None,
    environment: dict[str, str],
    out: str,
) -> None:
    from unroll.terminal import boundary
    from unroll.training.logging import leaving
    from unroll.training.run import run as real_run

    leaving.draw_pictures = lambda *arguments: None  # half of the time of a run as short as these
    os.setsid()
    # As in a terminal: under nohup, or in the background of a script, they are ignored, and stay so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.update(environment)
    opened = os.open(out, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    sys.argv = ["train.py"]
    with boundary():
        real_run(values, resume=resume, callbacks=[Act(*act)] if act else [])


def left(run_dir: Path) -> dict[str, Any]:
    """All that a run leaves that is a matter of bits, and no matter of time."""
    results = json.loads((run_dir / "results.json").read_text())
    return {
        "results": {name: value for name, value in results.items() if name not in TIMES},
        "metrics": (run_dir / "metrics.csv").read_text(),
        **{name: _checkpoint(run_dir / "checkpoints" / name) for name in ("best.ckpt", "last.ckpt")},
    }


def _checkpoint(path: Path) -> dict[str, Any]:
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["callbacks"]["Throughput"]
    del checkpoint["datamodule_hyper_parameters"]["data"]["workers"]
    return checkpoint


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two nested values differ, to the bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in {**one, **other}
            for line in differences(one.get(key), other.get(key), f"{where}.{key}")
        ]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [
            line
            for number, (a, b) in enumerate(zip(one, other, strict=True))
            for line in differences(a, b, f"{where}[{number}]")
        ]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [f"{where}: other tensors"]
    return [] if one == other else [f"{where}: {one!r:.300} and {other!r:.300}"]


def leftovers(run_dir: Path) -> list[str]:
    """Files that no finished run should have."""
    return [path.name for path in run_dir.rglob("*") if path.suffix in (".tmp", ".prev")]
