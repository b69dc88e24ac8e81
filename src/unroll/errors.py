"""What a person reads when something is wrong: one line, and an exit code that scripts can rely on.

Code raises one of the errors below where it knows the key or the file, the value and the fix;
`boundary` stands once around each program and turns it into a line on stderr.
"""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


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


def nearest(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown `word`: the closest of `choices`, or all of them."""
    known = sorted(choices)
    close = get_close_matches(word, known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"choose from: {', '.join(known)}" if known else "there are none to choose from"


@contextmanager
def boundary() -> Iterator[None]:
    """End the program with one line and the right exit code; UNROLL_DEBUG=1 shows the traceback too.

    An unforeseen exception is a defect of Unroll, not of the input: it keeps its traceback and exits 1.
    """
    try:
        yield
    except UnrollError as error:
        if os.environ.get("UNROLL_DEBUG"):
            traceback.print_exc()
        line = " ".join(str(error).split())
        print(f"error: {line}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `unroll predict … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
