"""Checks the archive of a checkpoint before torch reads it."""

import pickletools
import zipfile
from pathlib import Path

from unroll.errors import InputError

STORAGE_KINDS = ("Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double")
ALLOWED_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in STORAGE_KINDS),
}
"""The globals that a checkpoint of tensors and plain values needs. torch's own list for weights_only=True is
longer, and some of its entries allocate as many bytes as a number in the file says."""

MOST_PICKLE_OPERATIONS = 3_000_000
"""Reading this many in Python takes some seconds. A token of a vocabulary takes two."""


def require_harmless(path: Path) -> None:
    """Raise an `InputError` unless a file is an archive like those of torch, of tensors and plain values.

    Nothing in it may be compressed or listed twice, so that reading takes no more memory than the file.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\3\4":  # torch would read it in one of its older formats
                raise zipfile.BadZipFile("it does not begin like an archive")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise InputError(f"{path}: is compressed, which no checkpoint is, and is not loaded")
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            one_each = len({entry.filename for entry in entries}) == len(entries)
            if not one_each or len(pickles) != 1 or sum(e.file_size for e in entries) > path.stat().st_size:
                raise zipfile.BadZipFile("its list of contents is not one that torch writes")
            program = archive.read(pickles[0])
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise InputError(
            f"{path}: not a checkpoint, or a torn one ({error}); give a .ckpt file that a run has written"
        ) from error
    _require_plain(program, path)


def _require_plain(program: bytes, path: Path) -> None:
    try:
        for number, (operation, argument, _) in enumerate(pickletools.genops(program)):
            if number > MOST_PICKLE_OPERATIONS:
                raise InputError(
                    f"{path}: holds more than {MOST_PICKLE_OPERATIONS:,} values, and is not loaded"
                )
            if "GLOBAL" in operation.name and argument not in ALLOWED_GLOBALS:
                named = str(argument).replace(" ", ".")
                raise InputError(
                    f"{path}: holds more than tensors and plain values ({named:.80}), and is not loaded"
                )
    except (ValueError, IndexError) as error:  # the bytes are not a pickle
        raise InputError(f"{path}: not a readable checkpoint ({error})") from error
