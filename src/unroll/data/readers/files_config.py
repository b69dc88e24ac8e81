"""The base config of data in the user's own files, with the checks that need no reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from unroll.config.components import DataConfig
from unroll.config.registry import require
from unroll.errors import InputError
from unroll.paths import given, require_regular


@dataclass(kw_only=True, slots=True)
class FilesConfig(DataConfig):
    """Base config of a data set in the user's own files.

    Attributes:
        path: a file, .csv .tsv .txt (plain or .gz) or .parquet; or, instead, a file for each split
        train: a file to train on
        valid: a file to validate on
        test: a file to test on
        valid_fraction: share of `path` to validate on
        test_fraction: share of `path` to test on
    """

    SUFFIXES: ClassVar[tuple[str, ...]] = (
        ".csv",
        ".tsv",
        ".txt",
        ".csv.gz",
        ".tsv.gz",
        ".txt.gz",
        ".parquet",
    )

    batch_size: int | None = None
    path: str | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    valid_fraction: float = 0.1
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        DataConfig.__post_init__(self)
        for key in ("valid_fraction", "test_fraction"):
            require(self, key, 0 < getattr(self, key) < 1, "in (0, 1)")
        whole = self.valid_fraction + self.test_fraction
        require(self, "test_fraction", whole < 1, "below 1 together with valid_fraction")

    def require_ready(self) -> None:
        for key, path in self.files().items():
            self.require_file(path, f"data.{key}={path}")

    def files(self) -> dict[str, Path]:
        """The files by their keys: "path" alone, or "train", "valid" and "test".

        Raises:
            InputError: no file is given, one is missing, or two are the same.
        """
        keys = ("train", "valid", "test")
        files = {
            key: given(text, f"data.{key}={text}")
            for key in ("path", *keys)
            if (text := getattr(self, key)) is not None
        }
        if self.path is not None:
            if len(files) > 1:
                key, path = list(files.items())[1]
                raise InputError(f"data.{key}={path}: give either this or data.path={self.path}, not both")
            return files
        if not files:
            raise InputError("data.path: not given; give a file, as data.path=FILE")
        for key in keys:
            if key not in files:
                raise InputError(
                    f"data.{key}: not given; give data.train, data.valid and data.test, or data.path alone"
                )
        for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
            if self.is_same(files[first], files[second]):
                raise InputError(
                    f"data.{second}={files[second]}: is also data.{first}; give files that share no data"
                )
        return files

    @staticmethod
    def is_same(first: Path, second: Path) -> bool:
        """Whether two paths name one file: the same path, or links to it, hard ones too."""
        if first.resolve() == second.resolve():
            return True
        return first.is_file() and second.is_file() and first.samefile(second)

    @classmethod
    def require_file(cls, path: Path, name: str) -> None:
        """Raise an `InputError` that begins with `name` unless there is such a file, in a known format."""
        require_regular(path, name)
        if not path.name.lower().endswith(cls.SUFFIXES):
            raise InputError(
                f"{name}: unknown suffix '{path.suffix}'; name the file {', '.join(cls.SUFFIXES[:-1])} "
                f"or {cls.SUFFIXES[-1]}, by its format"
            )

    def columns(self, key: str) -> tuple[str, ...]:
        """The columns that a key names: no column (null), one (a name) or several (a list)."""
        value = getattr(self, key)
        names = value if isinstance(value, list) else [] if value is None else [value]
        return tuple(str(name) for name in names)

    def require_columns(self, *keys: str) -> None:
        """Raise an `InputError` unless each of the keys names columns, each column once."""
        seen: dict[str, str] = {}
        for key in keys:
            value = getattr(self, key)
            holds = value != [] and not isinstance(value, dict | bool | float)
            require(self, key, holds, "a column's name, or a list of names")
            for name in self.columns(key):
                require(self, key, bool(name), "a column's name, or a list of names")
                if name in seen:
                    where = "stands twice in it" if seen[name] == key else f"is data.{seen[name]} too"
                    raise InputError(f"{key}={value}: '{name}' {where}; name each column once")
                seen[name] = key
