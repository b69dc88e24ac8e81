"""Text files, plain or gzip."""

import gzip
import zlib
from pathlib import Path

from unroll.errors import InputError

BEGINNINGS = {
    b"\x1f\x8b": "gzip; let its name end in .gz",
    b"PAR1": "Parquet; let its name end in .parquet",
    b"PK": "an Excel file or other zip archive; save it as CSV",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
"""What a file is, by its first bytes, that was taken for text."""


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark; of a gzip file where its name ends in .gz.

    Raises:
        InputError: a file that cannot be read, is not UTF-8 (by line), or is empty.
    """
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is not gzip, or cut short ({error}); make the file anew") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
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
