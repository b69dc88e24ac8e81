"""`unroll …` in the process of the tests: a process of its own takes seconds to import torch."""

import sys
from dataclasses import dataclass

import pytest

from unroll.cli import main


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the program with these arguments to its end."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["unroll", *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as error:
            code = error.code or 0
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run
