"""The programs in processes that are forked from the tests': importing torch takes seconds, forking nothing.

Each runs to its end as a person would have it, but for the name of its program in `sys.argv`.
"""

import gc
import logging
import os
import resource
import runpy
import signal
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from types import ModuleType

import jaxtyping
from conftest import ROOT

from unroll.cli import main

SECONDS = 15
"""The most that a mistake may take to be told."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program has ended. `code` is that of `subprocess`: negative, if a signal has ended it."""

    code: int
    stdout: str
    stderr: str
    seconds: float


def run(
    program: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    without: Sequence[str] = (),
    memory: int | None = None,
    seconds: int = SECONDS,
    interrupted_after: float | None = None,
    closed: Sequence[int] = (),
    user: int | None = None,
    onto: Path | None = None,
) -> Ended:
    """`train` or `unroll` in a folder; `without` some packages, with so many bytes of `memory` above what
    the tests themselves take, and for so many seconds at most. One that is to be `interrupted_after` so many
    seconds waits for standard input. `closed` are the standard streams (0, 1, 2) that it begins without;
    `user` is whom it runs as, where the tests run as root; `onto` a device that gets its standard output.
    """
    beside = folder.parent
    files = [beside / f"{folder.name}.{end}" for end in ("in", "out", "err")]
    files[0].write_bytes(stdin)
    if onto is not None:
        files[1] = onto
    start = time.perf_counter()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if interrupted_after is not None:
            files[0] = Path(f"/proc/self/fd/{reading}")
        _run(program, arguments, folder, files, environment or {}, without, memory, seconds, closed, user)
    if interrupted_after is not None:
        time.sleep(interrupted_after)
        os.kill(child, signal.SIGINT)
    _, status = os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    took = time.perf_counter() - start
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a program that hung may have started
    out, err = (file.read_text(errors="replace") if file.is_file() else "" for file in files[1:])
    return Ended(os.waitstatus_to_exitcode(status), out, err, took)


def _run(
    program: str,
    arguments: Sequence[str],
    folder: Path,
    files: Sequence[Path],
    environment: Mapping[str, str],
    without: Sequence[str],
    memory: int | None,
    seconds: int,
    closed: Sequence[int],
    user: int | None,
) -> None:
    """Run the program, and end this process with it."""
    code: object = 70
    try:
        os.setsid()
        gc.freeze()  # what the tests have imported is not to be looked through again and again
        os.chdir(folder)
        os.environ.update(environment)
        sys.modules.update(dict.fromkeys(without))  # type: ignore[arg-type]  # None: there is none
        jaxtyping.config.update("jaxtyping_disable", True)  # the program itself has no such checks
        _as_python_begins()
        for descriptor, path in enumerate(files):
            flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags), descriptor)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        for descriptor in closed:
            os.close(descriptor)
            setattr(sys, ("stdin", "stdout", "stderr")[descriptor], None)
        if user is not None and os.getuid() == 0:
            os.setuid(user)
        if memory is not None:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory,) * 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # what a shell starts in the background ignores it
        signal.alarm(seconds)
        if program == "train":
            sys.argv = [str(ROOT / "train.py"), *arguments]
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            sys.argv = ["unroll", *arguments]
            main()
        code = 0
    except SystemExit as error:
        code = error.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError):
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _as_python_begins() -> None:
    """Take back what pytest has changed that the program would notice."""
    forkserver._forkserver.__init__()  # type: ignore[misc,attr-defined]  # that of the tests is no child of this
    logging.captureWarnings(False)
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            module.__dict__.get("__warningregistry__", {}).clear()
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    for handler in list(logging.root.handlers):
        logging.root.removeHandler(handler)


def everything(folder: Path) -> list[str]:
    """The names of all that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
