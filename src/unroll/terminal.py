"""What a program prints on its terminal: one line when something is wrong, and no control characters."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from unroll.errors import MissingEnvironmentError, Stopped, UnrollError, reason
from unroll.redact import redact

LONGEST_MESSAGE = 2000
"""In characters. A message may hold names from a forged file."""

DEBUG_VARIABLE = "UNROLL_DEBUG"
"""The environment variable that makes errors show their traceback too; `--debug` sets it."""

_OUT_OF_MEMORY = re.compile(
    "out of memory|can't allocate memory|not enough memory|size calculation overflowed"
)
"""How torch words it in a RuntimeError."""

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, except tab and newline, and characters that change the direction of writing."""


def for_terminal(text: str) -> str:
    """`text`, perhaps from a foreign file, with escapes for the characters that a terminal obeys."""
    return _CONTROL_CHARACTERS.sub(lambda found: ascii(found[0])[1:-1], text)


def take_debug_flag() -> None:
    """Take `--debug` from the command line and set UNROLL_DEBUG, which child processes inherit."""
    if "--debug" in sys.argv[1:]:
        sys.argv = [word for word in sys.argv if word != "--debug"]
        os.environ[DEBUG_VARIABLE] = "1"


@contextmanager
def boundary() -> Iterator[None]:
    """End the program with one line and the right exit code; UNROLL_DEBUG=1 shows the traceback too.

    An unforeseen exception is a defect of Unroll, not of the input: it shows its traceback and exits with 1.
    """
    try:
        yield
        sys.stdout.flush()  # what cannot be printed is to be told here, not by Python as it ends
    except UnrollError as error:
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        line = one_line(error)
        _say(line if isinstance(error, Stopped) else f"error: {line}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `unroll predict … | head`
        to_nowhere(sys.stdout)
        sys.exit(0)
    except Exception as error:
        lacking = lack(error)
        if lacking is None or os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        if lacking is None:
            sys.exit(UnrollError.exit_code)
        _say(f"error: {lacking}")
        to_nowhere(sys.stdout)  # Python tries once more to write what is left, and would tell of it
        sys.exit(MissingEnvironmentError.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def lack(error: Exception) -> str | None:
    """The message for an error of the machine: too little memory or disk, or a character it cannot print.

    None for any other error.
    """
    by_torch = isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error))
    if by_torch or isinstance(error, MemoryError):
        what = f" ({line})" if (line := one_line(error)) else ""
        return f"out of memory{what}; use a smaller model, batch or file"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'standard output'}: cannot be written ({reason(error)}); free some space"
    if isinstance(error, OSError) and error.errno in (errno.EBADF, errno.EIO) and error.filename is None:
        return f"standard output: cannot be written ({reason(error)}); send it to a file or a terminal"
    if isinstance(error, UnicodeEncodeError) and error.encoding != "utf-8":
        letter = ascii(error.object[error.start])
        return f"standard output: {error.encoding} has no {letter}; set PYTHONIOENCODING=utf-8"
    return None


def one_line(error: Exception) -> str:
    """The message on one line, without control characters; of a very long message, its beginning and end."""
    text = str(error)
    if len(text) > LONGEST_MESSAGE:
        # More is redacted than shown, so that no secret stands at a cut.
        first, last = redact(text[:LONGEST_MESSAGE]), redact(text[-LONGEST_MESSAGE:])
        text = f"{first[: LONGEST_MESSAGE // 2]} … {last[-LONGEST_MESSAGE // 4 :]}"
    text = redact(" ".join(text.split()))
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _say(line: str) -> None:
    """Print the last line. A terminal that has hung up cannot show it; the exit code stays the same."""
    try:
        print(line, file=sys.stderr)
        sys.stdout.flush()
    except OSError:
        to_nowhere(sys.stdout, sys.stderr)


def to_nowhere(*streams: TextIO) -> None:
    """Drop what is still to be written to these streams, and all that comes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, for a person."""
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
