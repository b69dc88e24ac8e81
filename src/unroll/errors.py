"""What a person reads when something is wrong: one line, and an exit code that scripts can rely on.

Code raises one of the errors below where it knows the key or the file, the value and the fix;
`boundary` stands once around each program and turns it into a line on stderr.
"""

import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from unroll.redact import redact

MOST_SHOWN = 2000
"""Characters of a message. Names that stand in it may come from a file that somebody made up."""

DEBUG = "UNROLL_DEBUG"
"""The environment variable by which errors show their traceback, too; `--debug` sets it."""

_NO_MEMORY = re.compile("out of memory|can't allocate memory|not enough memory|size calculation overflowed")
"""How torch says it, in a RuntimeError."""


class UnrollError(Exception):
    """Base of the errors that end in one line. `exit_code` is the program's."""

    exit_code = 1


class InputError(UnrollError):
    """A config, file, checkpoint or command line that a person can mend. Exit code 2."""

    exit_code = 2


class MissingEnvironmentError(UnrollError):
    """Something this machine lacks: a device, or a package. Exit code 3."""

    exit_code = 3


class NumericError(UnrollError):
    """A loss or gradient that is NaN or infinite. Exit code 4."""

    exit_code = 4


class Stopped(UnrollError):  # noqa: N818  # it is no error
    """A signal has ended a run, and it is saved. Exit code 75 ("try again"), 130 after Ctrl-C."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 130 if signal_number == signal.SIGINT else 75


def nearest(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown `word`: the closest of `choices`, or all of them."""
    known = sorted(choices)
    close = get_close_matches(word[:100], known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"choose from: {', '.join(known)}" if known else "there are none to choose from"


def reason(error: Exception) -> str:
    """Why a file cannot be read or written, without its name, which the message has."""
    return getattr(error, "strerror", None) or str(error)


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
        lack = _lack(error)
        if lack is None or os.environ.get(DEBUG):
            traceback.print_exc()
        if lack is None:
            sys.exit(UnrollError.exit_code)
        _say(f"error: {lack}")
        sys.exit(MissingEnvironmentError.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _lack(error: Exception) -> str | None:
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
    if len(text) > MOST_SHOWN:
        # More is redacted than shown, so that no secret stands at a cut.
        first, last = redact(text[:MOST_SHOWN]), redact(text[-MOST_SHOWN:])
        text = f"{first[: MOST_SHOWN // 2]} … {last[-MOST_SHOWN // 4 :]}"
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
