"""A copy of the project that a test may add files to, and its programs as processes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

RECIPES = ROOT / "docs" / "recipes"
CELL = Path("src/unroll/nn/cells/mine.py")
CELL_YAML = Path("conf/model/cell/mine.yaml")


def copy(folder: Path, *more: str) -> Path:
    """The sources, the config files and train.py; and `more`."""
    for name in ("src", "conf", *more):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "train.py", folder)
    return folder


def add_recipe(tree: Path) -> None:
    """Add the cell of CONTRIBUTING."""
    shutil.copy(RECIPES / "mine.py", tree / CELL)
    shutil.copy(RECIPES / "mine.yaml", tree / CELL_YAML)


def python(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, which imports what is in it."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def train(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(tree, "train.py", *arguments)


def unroll(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(tree, "-c", "from unroll.cli import main; main()", *arguments)
