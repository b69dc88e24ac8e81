"""Writes files atomically: a temporary file is written, synced, read back, and moved to its place."""

import errno
import os
from pathlib import Path

TEMPORARY = ".tmp"
PREVIOUS = ".prev"


def write(path: Path, content: bytes | str, *, keep_previous: bool = False) -> None:
    """Write `content` to a file. If that fails, the old file stays as it was.

    With `keep_previous` the old file is kept as `previous(path)`.

    Raises:
        OSError: the disk is full, permission is missing, or reading back gives other bytes.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if temporary.read_bytes() != data:
            raise OSError(errno.EIO, "reading it back gives other bytes than were written", str(path))
        if keep_previous and path.exists():
            path.replace(previous(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def previous(path: Path) -> Path:
    """The path of the previous version of a file."""
    return path.with_name(path.name + PREVIOUS)


def sync(path: Path) -> None:
    """Wait until a file, or the list of a folder's files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean(folder: Path) -> None:
    """Remove the temporary files that a killed process has left."""
    for file in folder.glob(f"*{TEMPORARY}"):
        file.unlink()
