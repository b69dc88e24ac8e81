"""Puts classical forecasts beside the architectures of a sweep: a folder for each, as those of trials are.

`python -m unroll.sweep.classical RUN NAME FOLDER` makes one of them, on the data of a run of the sweep.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from unroll.config.root import load
from unroll.errors import MissingEnvironmentError
from unroll.runs.folder import RunFolder
from unroll.sweep.search.space import Space
from unroll.sweep.trials import Record, TrialState
from unroll.terminal import boundary, one_line

FOLDER = "classical"
"""Below the folder of the sweep."""

USUAL_MINUTES = 5.0
"""A forecast that takes longer is given up, where the trials have no limit of their own."""


def add_classical(sweep: Path, space: Space) -> None:
    """Add the classical forecasts that are not there yet to a sweep over architectures on series.

    Where their package is not installed, a line says so. One that takes longer than `trainer.max_minutes` is
    given up.
    """
    if "architecture" not in space.axes:
        return
    runs = [RunFolder(folder) for folder in sorted(sweep.glob("[0-9]*"))]
    finished = next((run for run in runs if run.read_results() is not None), None)
    if finished is None:
        return
    from unroll.baselines.classical import NAMES, require_package
    from unroll.data.files.series import Series, SeriesTask
    from unroll.data.module import build_data

    config = load(finished.read_config())
    data = build_data(config.data, config.seed)
    if not isinstance(data, Series) or data.config.task is SeriesTask.one_ahead:
        return
    try:
        require_package()
    except MissingEnvironmentError as error:
        print(f"note   {one_line(error)}; the same command then adds them", file=sys.stderr)
        return
    minutes = config.trainer.max_minutes or USUAL_MINUTES
    for name in NAMES:
        folder = RunFolder(sweep / FOLDER / name)
        if folder.read_results() is None:
            _make(finished, name, folder, space, 60 * minutes)


def _make(run: RunFolder, name: str, folder: RunFolder, space: Space, seconds: float) -> None:
    """Let a process of its own make a forecast, and record how it ended."""
    record = Record(number=0, overrides=[*space.fixed, f"architecture={name}"], state=TrialState.running)
    record.write(folder)
    print(f"classical forecast {name} …", flush=True)
    start = time.perf_counter()
    command = [sys.executable, "-m", "unroll.sweep.classical", str(run), name, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        record.end(TrialState.timed_out, f"it took longer than {seconds / 60:g} minutes", None)
    else:
        results = folder.read_results()
        if results is not None:
            record.state, record.directions = TrialState.finished, results["monitor"]
            record.values = results["best"]
            forecast, windows = results["windows"]
            if forecast < windows:
                record.overrides[-1] = f"architecture={name} ({forecast} of {windows} windows)"
        else:
            lines = done.stderr.strip().splitlines() or [f"it exited with code {done.returncode}"]
            record.end(TrialState.failed, lines[-1].removeprefix("error: "), done.returncode)
    record.seconds = round(time.perf_counter() - start, 2)
    record.write(folder)


def main() -> None:
    """Forecast classically on the data of a run, and write results.json into a folder."""
    run, name, path = sys.argv[1:]
    with boundary():
        folder = RunFolder(Path(path))
        folder.write_json(folder.results, _results(RunFolder(Path(run)), name))


def _results(run: RunFolder, name: str) -> dict[str, Any]:
    from unroll.baselines.classical import forecast_classically
    from unroll.data.module import build_data

    start = time.perf_counter()
    config = load(run.read_config())
    data = build_data(config.data, config.seed)
    found = forecast_classically(name, data)
    parts: dict[str, dict[str, float]] = {
        split: {key: value for key, value in found.errors.items() if key.startswith(f"{split}/")}
        for split in ("valid", "test")
    }
    return {
        **parts,
        "monitor": {"valid/mae": "minimize"},
        "best": {"valid/mae": parts["valid"]["valid/mae"]},
        "windows": list(found.windows),
        "fit_seconds": round(found.fit_seconds, 2),
        "test_sequences_per_second": round(found.windows[0] / found.forecast_seconds, 1),
        "seconds": round(time.perf_counter() - start, 2),
        "data": data.description,
    }


if __name__ == "__main__":
    main()
