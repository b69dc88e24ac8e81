"""The errors that end a program in one line, with an exit code that scripts can rely on.

Code raises one of these errors where it knows the key or the file, the value and the fix; `terminal.boundary`
prints it as one line on stderr.
"""

import signal
from collections.abc import Iterable
from difflib import get_close_matches


class UnrollError(Exception):
    """Base of the errors that end in one line. `exit_code` is the program's."""

    exit_code = 1


class InputError(UnrollError):
    """A config, file, checkpoint or command line that a person can correct. Exit code 2."""

    exit_code = 2


class MissingEnvironmentError(UnrollError):
    """Something this machine lacks: a device, or a package. Exit code 3."""

    exit_code = 3


class NumericError(UnrollError):
    """A loss or gradient that is NaN or infinite. Exit code 4."""

    exit_code = 4


class Stopped(UnrollError):  # noqa: N818  # it is not an error
    """A signal has stopped a run, which is saved. Exit code 75 ("try again"), 130 after Ctrl-C."""

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
    """Why a file cannot be read or written, without its name, which the message holds already."""
    return getattr(error, "strerror", None) or str(error)
