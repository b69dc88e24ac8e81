"""Short paths for the sockets between processes: a path may have about a hundred bytes."""

import os
import tempfile
from multiprocessing import util

from unroll.errors import MissingEnvironmentError

LONGEST_FOLDER_BYTES = 70
"""The longest folder in which the path of a multiprocessing socket fits."""

SHORT_FOLDER = "/tmp"


def keep_paths_short() -> None:
    """Make multiprocessing put its sockets into a short folder if TMPDIR is too long for them.

    Raises:
        MissingEnvironmentError: the short folder cannot be written to.
    """
    before = tempfile.gettempdir()
    if len(os.fsencode(before)) <= LONGEST_FOLDER_BYTES:
        return
    try:
        tempfile.tempdir = SHORT_FOLDER
        util.get_temp_dir()  # made now; this process and its children use it; removed when this process ends
    except OSError as error:
        raise MissingEnvironmentError(
            f"TMPDIR={before}: is longer than {LONGEST_FOLDER_BYTES} bytes, too long for sockets of several "
            f"processes, and {SHORT_FOLDER} cannot be written to; set a shorter TMPDIR"
        ) from error
    finally:
        tempfile.tempdir = before
