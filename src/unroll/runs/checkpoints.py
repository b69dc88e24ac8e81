"""Checkpoint files as bytes: sealed with a checksum, found, and taken up again. No torch."""

import hashlib
import logging
from pathlib import Path

from unroll.errors import InputError
from unroll.runs.files import previous
from unroll.runs.folder import RunFolder

log = logging.getLogger("unroll")

_SEAL = b"sha256:"
_SEAL_SIZE = len(_SEAL) + 64


def seal(data: bytes) -> bytes:
    """A zip archive of torch with its SHA-256 as the archive's comment; torch itself checks nothing."""
    assert data.endswith(b"\0\0"), "an archive without a comment ends with the length of it, 0"
    comment = _SEAL + hashlib.sha256(data).hexdigest().encode()
    return data[:-2] + len(comment).to_bytes(2, "little") + comment


def is_whole(path: Path) -> bool:
    """Whether a file is a checkpoint with the checksum that it says."""
    return path.is_file() and checksum_holds(path) is True


def checksum_holds(path: Path) -> bool | None:
    """Whether a checkpoint is what its checksum says; None if it has none."""
    content = path.read_bytes()
    if not content[-_SEAL_SIZE:].startswith(_SEAL):
        return None
    return seal(content[: -_SEAL_SIZE - 2] + b"\0\0") == content


def recover(folder: RunFolder) -> Path | None:
    """The newest whole checkpoint of a run's folder, as its last.ckpt; None if it has none yet.

    Raises:
        InputError: there are some, and all are torn.
    """
    last = folder.last
    before = previous(last)
    if is_whole(last):
        return last
    if is_whole(before):
        what = "its checksum does not match" if last.exists() else "is missing"
        log.info("%s: %s; going on from the one before it", last, what)
        before.replace(last)
        return last
    if last.exists() or before.exists():
        raise InputError(f"{last}: is torn, and so is the one before it; start a new run")
    return None


def find(run: Path) -> Path:
    """The checkpoint of a run: the file itself, or in a run's folder the best (without one, the last).

    Of an export it is the file of its weights.

    Raises:
        InputError: there is none.
    """
    if run.is_file():
        return run
    folder = RunFolder(run)
    for path in (folder.best, folder.last, folder.weights):
        if path.is_file():
            return path
    what = "holds no checkpoint" if run.is_dir() else "no such run"
    raise InputError(f"{run}: {what}; give a run's folder (as outputs/seq2seq/…/…) or a .ckpt file")
