"""From pressing return to the first thing that a person waits for."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _setup import ROOT
from _timing import Spread, in_turns, ratio, table, timed

TRAIN = str(ROOT / "train.py")
FIRST_STEP = str(Path(__file__).with_name("_first_step.py"))
IMPORT = "import lightning.pytorch"

COMMANDS = {  # what is awaited: the arguments of Python, the exit code that shows that it came, the aim
    IMPORT: (["-c", IMPORT], 0, None),
    "a typo is told (`model.hiden_size=3`)": ([TRAIN, "model.hiden_size=3"], 2, 1.0),
    "`--help`": ([TRAIN, "--help"], 0, 1.5),
    "the first training step (`debug=fast`)": ([FIRST_STEP, TRAIN, "debug=fast", "logger=csv"], 0, None),
}


def run(quick: bool) -> str:
    """Wall time of whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = in_turns(
            {
                name: timed(lambda arguments=arguments, code=code: await_exit(arguments, code, folder))
                for name, (arguments, code, _) in COMMANDS.items()
            },
            repeats=3 if quick else 5,
        )
    rows = [
        [
            name,
            Spread.of(seconds[name]),
            f"{aim:.1f}" if aim else "",
            ratio(seconds[name], seconds[IMPORT]),
        ]
        for name, (_, _, aim) in COMMANDS.items()
    ]
    return table(["until", "seconds", "aim: below", f"/ `{IMPORT}`"], rows)


def await_exit(arguments: list[str], code: int, folder: str) -> None:
    """Run Python in an empty folder, with bytecode cached as on any machine."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if process.returncode != code:
        raise RuntimeError(f"{arguments} ended with {process.returncode}:\n{process.stdout}{process.stderr}")
