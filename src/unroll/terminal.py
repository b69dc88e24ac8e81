"""Where a program meets its terminal: how it ends when something is wrong, and which signs it may print."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from unroll.errors import MissingEnvironmentError, Stopped, UnrollError, reason
from unroll.redact import redact

LONGEST_MESSAGE = 2000
"""Characters. Names that stand in a message may come from a file that somebody made up."""

DEBUG = "UNROLL_DEBUG"
"""The environment variable by which errors show their traceback, too; `--debug` sets it."""

_NO_MEMORY = re.compile("out of memory|can't allocate memory|not enough memory|size calculation overflowed")
"""How torch says it, in a RuntimeError."""

_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing; but no tab, and no end of a line."""


def for_terminal(text: str) -> str:
    """`text`, which may be of a foreign file, with escapes for what a terminal does not show but obey."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def take_debug_flag() -> None:
    """Let `--debug`, wherever it stands on the command line, set UNROLL_DEBUG, also for other processes."""
    if "--debug" in sys.argv[1:]:
        sys.argv = [word for word in sys.argv if word != "--debug"]
        os.environ[DEBUG] = "1"


@contextmanager
def boundary() -> Iterator[None]:
    """End the program with one line and the right exit code; UNROLL_DEBUG=1 shows the traceback too.

    An unforeseen exception is a defect of Unroll, not of the input: it keeps its traceback and exits 1.
    """
    try:
        yield
    except UnrollError as error:
        if os.environ.get(DEBUG):
            traceback.print_exc()
        line = one_line(error)
        _say(line if isinstance(error, Stopped) else f"error: {line}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `unroll predict … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        lacking = lack(error)
        if lacking is None or os.environ.get(DEBUG):
            traceback.print_exc()
        if lacking is None:
            sys.exit(UnrollError.exit_code)
        _say(f"error: {lacking}")
        sys.exit(MissingEnvironmentError.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def lack(error: Exception) -> str | None:
    """What to say of an error that tells of too little memory or room, or of a letter that is lacking."""
    by_torch = isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))
    if by_torch or isinstance(error, MemoryError):
        what = f" ({line})" if (line := one_line(error)) else ""
        return f"out of memory{what}; take a smaller model, batch or file"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'standard output'}: cannot be written ({reason(error)}); make room"
    if isinstance(error, UnicodeEncodeError) and error.encoding != "utf-8":
        letter = ascii(error.object[error.start])
        return f"standard output: {error.encoding} has no {letter}; set PYTHONIOENCODING=utf-8"
    return None


def one_line(error: Exception) -> str:
    """The message without what moves a terminal's cursor; of one that fills the screen its two ends."""
    text = str(error)
    if len(text) > LONGEST_MESSAGE:
        # More is redacted than shown, so that no secret stands at a cut.
        first, last = redact(text[:LONGEST_MESSAGE]), redact(text[-LONGEST_MESSAGE:])
        text = f"{first[: LONGEST_MESSAGE // 2]} … {last[-LONGEST_MESSAGE // 4 :]}"
    text = redact(" ".join(text.split()))
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _say(line: str) -> None:
    """Print a last line; after a hang-up there is nobody to read it, and that changes no exit code."""
    try:
        print(line, file=sys.stderr)
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
