"""Checkpoint files as bytes: their checksum, their place, and the newest whole one. No torch."""

import hashlib
import logging
import os
import zipfile
from pathlib import Path

from unroll.errors import InputError
from unroll.paths import given, kind, read
from unroll.runs.files import previous
from unroll.runs.folder import RunFolder

log = logging.getLogger("unroll")

_SEAL = b"sha256:"
_SEAL_SIZE = len(_SEAL) + 64


def seal(data: bytes) -> bytes:
    """Add the SHA-256 of a zip archive of torch as its comment; torch itself does not check for damage."""
    assert data.endswith(b"\0\0"), "an archive without a comment ends with the comment's length, 0"
    comment = _SEAL + hashlib.sha256(data).hexdigest().encode()
    return data[:-2] + len(comment).to_bytes(2, "little") + comment


def is_whole(path: Path) -> bool:
    """Whether a file is a checkpoint whose content matches its checksum."""
    return path.is_file() and is_archive(path) and checksum_holds(path) is True


def is_archive(path: Path) -> bool:
    """Whether a file ends as a zip archive does. Of a damaged end `zipfile` may only say so by an error."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False


def checksum_holds(path: Path) -> bool | None:
    """Whether the content of a checkpoint matches its checksum; None if it has no checksum.

    Raises:
        InputError: the file is no regular one, or larger than the memory of this machine.
    """
    content = read(path, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if not content[-_SEAL_SIZE:].startswith(_SEAL):
        return None
    return seal(content[: -_SEAL_SIZE - 2] + b"\0\0") == content


def recover(folder: RunFolder) -> Path | None:
    """The newest whole checkpoint of a run's folder, moved to last.ckpt; None if there is no checkpoint.

    Raises:
        InputError: all checkpoints are torn.
    """
    last = folder.last
    before = previous(last)
    if folder.has(last) and is_whole(last):
        return last
    if folder.has(before) and is_whole(before):
        what = "its checksum does not match" if last.exists() else "is missing"
        log.info("%s: %s; resuming from the checkpoint before it", last, what)
        before.replace(last)
        return last
    if last.exists() or before.exists():
        raise InputError(f"{last}: is torn, and so is the checkpoint before it; start a new run")
    return None


def find(run: Path) -> Path:
    """The checkpoint of a run: the file itself, or in a run's folder the best one, else the last one.

    For an export it is the file of its weights.

    Raises:
        InputError: there is no such run, or it has no checkpoint of its own.
    """
    run = given(run)
    if run.is_file():
        return run
    folder = RunFolder(run)
    for path in (folder.best, folder.last, folder.weights):
        if folder.has(path):
            return path
    if run.exists() and not run.is_dir():
        raise InputError(f"{run}: is {kind(run)}, no file; give a run's folder or a .ckpt file")
    what = "holds no checkpoint" if run.is_dir() else "no such run"
    raise InputError(f"{run}: {what}; give a run's folder (such as outputs/seq2seq/…/…) or a .ckpt file")
