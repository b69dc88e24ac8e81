"""The sockets by which processes of one program talk: their paths may have about a hundred bytes."""

import os
import tempfile
from multiprocessing import util

from unroll.errors import MissingEnvironmentError

LONGEST = 70
"""Bytes of a folder in which a socket that multiprocessing makes and names still fits."""

SHORT = "/tmp"


def keep_paths_short() -> None:
    """Have multiprocessing make its sockets elsewhere, if TMPDIR is too long for them.

    Raises:
        MissingEnvironmentError: there is no such place.
    """
    before = tempfile.gettempdir()
    if len(os.fsencode(before)) <= LONGEST:
        return
    try:
        tempfile.tempdir = SHORT
        util.get_temp_dir()  # made now, kept for this process and those that it starts, removed at its end
    except OSError as error:
        raise MissingEnvironmentError(
            f"TMPDIR={before}: is longer than {LONGEST} bytes, too long for sockets of several processes, "
            f"and {SHORT} cannot be written to; set a shorter one"
        ) from error
    finally:
        tempfile.tempdir = before
