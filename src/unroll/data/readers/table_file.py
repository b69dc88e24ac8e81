"""Reads files of tables: CSV, TSV and Parquet, plain or gzip."""

from pathlib import Path

from unroll.data.readers.delimited import read_delimited
from unroll.data.readers.files_config import FilesConfig
from unroll.data.readers.parquet import read_parquet
from unroll.data.readers.table import Table
from unroll.errors import InputError, reason


def read_table(path: Path, *, header: bool = True, literal: bool = False, keep_torn: bool = False) -> Table:
    """The table in a file, in the format of its suffix.

    `header`, `literal` and `keep_torn` are those of `read_delimited`; a Parquet file always names its
    columns.

    Raises:
        InputError: a file that cannot be read, or what is wrong with it, by line.
    """
    FilesConfig.require_file(path, str(path))
    try:
        if path.suffix.lower() == ".parquet":
            return read_parquet(path)
        return read_delimited(path, header=header, literal=literal, keep_torn=keep_torn)
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into the memory ({error}); give less of it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
