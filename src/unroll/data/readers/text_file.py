"""Text files, plain or gzip."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

from unroll.errors import InputError, reason
from unroll.paths import require_regular

BEGINNINGS = {
    b"\x1f\x8b": "gzip; let its name end in .gz",
    b"PAR1": "Parquet; let its name end in .parquet",
    b"PK": "an Excel file or other zip archive; save it as CSV",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
"""What a file that is not text may be, by its first bytes."""

READ_BYTES = 2**20
MAX_TEXT_BYTES = 2**30
SMALL_BYTES = 2**24
MAX_GZIP_RATIO = 200
"""A gzip file may unpack to so many times its own size, or to `SMALL_BYTES`. Tables shrink to a tenth,
bombs to a thousandth."""


def read_text(path: Path) -> str:
    """The text of a UTF-8 file without its byte-order mark, unpacked where the name ends in .gz.

    Raises:
        InputError: a file that cannot be read, is too large, is not UTF-8 (by line), or is empty.
    """
    try:
        content = _read(path)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is not gzip, or cut short ({error}); make the file anew") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        for beginning, kind in BEGINNINGS.items():
            if content.startswith(beginning):
                raise InputError(f"{path}: is {kind}") from error
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise InputError(f"{path}:{line}: is not UTF-8 text (byte {byte:#x}); save it as UTF-8") from error
    if not text.strip():
        raise InputError(f"{path}: is empty; write something in it, or give another file")
    return text


def _read(path: Path) -> bytes:
    """The bytes of a file, unpacked."""
    require_regular(path)
    if path.suffix.lower() != ".gz":
        with path.open("rb") as file:
            content = read_up_to(file.read, MAX_TEXT_BYTES)
        if len(content) > MAX_TEXT_BYTES:
            raise InputError(f"{path}: is larger than {MAX_TEXT_BYTES:,} bytes of text; save it as Parquet")
        return content
    size = path.stat().st_size
    most = min(MAX_TEXT_BYTES, max(SMALL_BYTES, MAX_GZIP_RATIO * size))
    with gzip.open(path) as packed:
        content = read_up_to(packed.read, most)
    if len(content) > most:
        raise InputError(
            f"{path}: unpacks to more than {most:,} bytes, from {size:,}, and is not read; "
            "if that is what you expect, unpack it"
        )
    return content


def read_up_to(read: Callable[[int], bytes], most: int) -> bytes:
    """All bytes of `read`, but not much more than `most`, so that a huge file does not fill the memory."""
    pieces, size = [], 0
    while size <= most and (piece := read(READ_BYTES)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
