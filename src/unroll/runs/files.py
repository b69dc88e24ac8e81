"""Files that are whole or not there: written beside their place, synced, read back, and moved into it."""

import errno
import os
from pathlib import Path

TEMPORARY = ".tmp"
PREVIOUS = ".prev"


def write(path: Path, content: bytes | str, *, keep_previous: bool = False) -> None:
    """Put all of `content` into a file; where that fails, what was there before stays as it is.

    With `keep_previous`, what was there before stays in any case, as `previous(path)`.

    Raises:
        OSError: there is no room or no permission, or what was written reads otherwise.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if temporary.read_bytes() != data:
            raise OSError(errno.EIO, "it reads otherwise than it was written", str(path))
        if keep_previous and path.exists():
            path.replace(previous(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def previous(path: Path) -> Path:
    """Where the file is that was at `path` before."""
    return path.with_name(path.name + PREVIOUS)


def sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean(folder: Path) -> None:
    """Remove what a killed process has left half written, and may not write again."""
    for file in folder.glob(f"*{TEMPORARY}"):
        file.unlink()
