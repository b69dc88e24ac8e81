"""Paths that people give, and files that others have made: looked up and opened without a surprise.

A path may be one that the system cannot look up, and behind it may be a pipe that never ends, a device that
never stops, or a link to a file of somebody else. Here that becomes one line.
"""

import os
import shlex
import stat
from pathlib import Path

from unroll.errors import InputError, reason


def given(text: str | Path, name: str | None = None) -> Path:
    """A path that a person has given, with `~` replaced by a home. There need not be anything behind it.

    Messages begin with `name`, by default the path.

    Raises:
        InputError: the system cannot look it up: it is too long, goes in a circle of links, leads through a
            folder that this user may not search, holds a NUL or is not UTF-8, or has a `~` of nobody.
    """
    name = str(text) if name is None else name
    try:
        path = Path(text).expanduser()
        str(path).encode()  # what cannot be encoded can be neither printed nor written into a config
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except UnicodeEncodeError as error:
        raise InputError(f"{name}: is not UTF-8; rename it") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: cannot be looked up ({reason(error)}); give another path") from error
    return path


def require_regular(path: Path, name: str | None = None) -> None:
    """Raise an `InputError` that begins with `name`, by default the path, unless it is a regular file.

    A pipe might never end, nor a device such as /dev/zero.
    """
    name = str(path) if name is None else name
    path = given(path, name)
    if not path.exists():
        raise InputError(f"{name}: no such file, seen from {Path.cwd()}; give an existing one")
    if path.is_dir():
        raise InputError(f"{name}: is a folder; give a file in it")
    if not path.is_file():
        raise InputError(f"{name}: is {kind(path)}, no file; give a file")


def read(path: Path, most: int) -> bytes:
    """The bytes of a regular file.

    Raises:
        InputError: there is no such file, it cannot be read, or it has more than `most` bytes.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most:
                raise InputError(f"{path}: is larger than {most:,} bytes; give a file that a run has written")
            return file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error


def kind(path: Path) -> str:
    """What stands at a path, in words."""
    mode = path.stat().st_mode
    for is_kind, word in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if is_kind(mode):
            return word
    return "a file"


def quoted(path: Path | str) -> str:
    """A path as an argument in a command that a person may copy into a shell."""
    text = os.fspath(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
