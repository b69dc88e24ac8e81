"""Finds the runs in folders."""

import os
from collections.abc import Iterator
from pathlib import Path

from unroll.errors import InputError
from unroll.report.files import RunSummary, read_run
from unroll.runs.folder import RunFolder

SKIPPED_FOLDERS = ("wandb", "checkpoints")
"""No run lies below folders of these names."""


def read_runs(paths: list[Path]) -> list[RunSummary]:
    """The runs in these folders. A folder is that of a run, or holds runs, like that of a sweep.

    Raises:
        InputError: there is no such folder, it holds no runs, or no file of any run can be read.
    """
    folders = {folder.resolve(): folder for path in paths for folder in _find(path)}
    root = Path(os.path.commonpath(folders)) if len(folders) > 1 else next(iter(folders)).parent
    runs = [read_run(folder, str(full.relative_to(root))) for full, folder in folders.items()]
    if all(run.state == "unreadable" for run in runs):
        raise InputError(runs[0].faults[0])
    return runs


def _find(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise InputError(
            f"{path}: no such folder; give a run's folder, or one that holds runs, such as a sweep's"
        )
    if not path.is_dir():
        raise InputError(f"{path}: is a file; give a run's folder, or one that holds runs")
    found = False
    for name, children, _ in os.walk(path):
        folder = Path(name)
        children[:] = sorted(child for child in children if child not in SKIPPED_FOLDERS and child[0] != ".")
        is_sweep = any(RunFolder(folder / child).trial.exists() for child in children)
        if not is_sweep and RunFolder(folder).holds_a_run():
            children.clear()
            found = True
            yield folder
    if not found:
        raise InputError(
            f"{path}: holds no runs; a run's folder has one of {', '.join(RunFolder.MARK_FILES)}"
        )
