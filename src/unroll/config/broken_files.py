"""What is wrong with a component's file, in one line that names the file, the line and the reason.

Such a file is often being written just now, by somebody who has no use for the frames between.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from omegaconf.errors import OmegaConfBaseException

from unroll.errors import InputError, UnrollError
from unroll.terminal import lack

PACKAGE = Path(__file__).parents[1]

OWN = {Path(__file__).with_name(name) for name in ("broken_files.py", "config_part.py", "registry.py")}
"""Files through which every component's code is reached."""


@contextmanager
def component_errors(builder: object = None) -> Iterator[None]:
    """Around code of a component's file: raises an `InputError` in place of what that raises.

    The line is the last one of the package that was reached; while `builder`, a class or function, is called,
    the last one of its own file. What knows already what is wrong, or is no fault of the file, as too little
    memory, passes.
    """
    try:
        yield
    except (UnrollError, OmegaConfBaseException):
        raise
    except Exception as error:
        if lack(error) is not None:
            raise
        said = error.msg if isinstance(error, SyntaxError) else next(iter(str(error).splitlines()), "")
        what = f"{type(error).__name__}: {said}".removesuffix(": ")
        raise InputError(f"{_place_of(error, builder)}: {what}; mend the file") from error


def place(file: Path | str, line: int | None = None) -> str:
    """A line of a file, as messages name it: src/unroll/nn/cells/mine.py:12."""
    path = Path(file)
    root = PACKAGE.parents[1]
    path = path.relative_to(root) if path.is_relative_to(root) else path
    return f"{path}:{line}" if line else str(path)


def _place_of(error: Exception, builder: object) -> str:
    if isinstance(error, SyntaxError) and error.filename is not None:
        return place(error.filename, error.lineno)
    frames = [(Path(frame.filename), frame.lineno) for frame in extract_tb(error.__traceback__)]
    if inspect.isclass(builder) or inspect.isfunction(builder):
        own = Path(inspect.getfile(builder))
        # A call that does not fit the signature reaches no line of the file.
        line = max(inspect.getsourcelines(builder)[1], 1)
        return place(*([(own, line)] + [frame for frame in frames if frame[0] == own])[-1])
    reached = [frame for frame in frames if frame[0].is_relative_to(PACKAGE) and frame[0] not in OWN]
    return place(*reached[-1]) if reached else place(PACKAGE)
