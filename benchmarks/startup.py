"""From pressing return to the first thing that a person waits for."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from _setup import ROOT
from _timing import Spread, in_turns, ratio, table, timed

TRAIN = str(ROOT / "train.py")
FIRST_STEP = str(Path(__file__).with_name("_first_step.py"))


@dataclass(frozen=True, slots=True)
class Command:
    """Arguments of Python, the exit code that shows that what is awaited has come, and the aim in seconds."""

    arguments: list[str]
    exit_code: int = 0
    aim: float | None = None


IMPORT = "`import lightning.pytorch`, to compare with"
COMMANDS = {
    IMPORT: Command(["-c", "import lightning.pytorch"]),
    "a typo is told (`model.hiden_size=3`)": Command([TRAIN, "model.hiden_size=3"], exit_code=2, aim=1.0),
    "`--help`": Command([TRAIN, "--help"], aim=1.5),
    "the first training step (`debug=fast`)": Command([FIRST_STEP, TRAIN, "debug=fast", "logger=csv"]),
}


def run(quick: bool) -> str:
    """Wall time of whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        contestants = {name: timed(await_exit, command, folder) for name, command in COMMANDS.items()}
        seconds = in_turns(contestants, repeats=3 if quick else 5)
    rows = [
        [name, Spread.of(seconds[name]), command.aim or "", ratio(seconds[name], seconds[IMPORT])]
        for name, command in COMMANDS.items()
    ]
    return table(["until", "seconds", "aim: below", "/ the import"], rows)


def await_exit(command: Command, folder: str) -> None:
    """Run Python in a folder that is no repository, with bytecode cached as on any machine."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.run(
        [sys.executable, *command.arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != command.exit_code:
        said = process.stdout + process.stderr
        raise RuntimeError(f"{command.arguments} ended with {process.returncode}:\n{said}")
