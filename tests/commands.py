"""`python train.py …` and `unroll …` as processes; `unroll …` in that of the tests too, which is quick."""

import subprocess
import sys
from dataclasses import dataclass

import pytest
from conftest import ROOT

from unroll.cli import main


def train(*arguments, cwd=ROOT):
    """Run train.py; one that hangs fails."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )


def unroll(*arguments, stdin=None, cwd=None):
    return subprocess.run(
        [sys.executable, "-c", "from unroll.cli import main; main()", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


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
