"""How good are the forecasts? The naive ones, other libraries and train.py on the same windows.

    python benchmarks/forecasting.py                             # all rows, on both series
    python benchmarks/forecasting.py co2 --no-peers --ours ""    # without other libraries, on one of them
    python benchmarks/forecasting.py --quick                     # little training: to see that it runs

It prints a table for each series: MSE and MAE on the test part, in standard deviations of the training part,
and the CPU seconds of each command as a whole. All learn from the same training part, with one thread, and
forecast from every origin of the test part. They may train for --seconds: CPU seconds of other libraries,
seconds of ours. Those libraries run in an environment of their own, which is made where there is none (1 GB,
minutes). The series lie in wheels: pip install vega-datasets statsmodels.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from _setup import ROOT, load_config
from _timing import table

from unroll.data.files.windows import Windows
from unroll.data.module import build_data
from unroll.data.readers.files_config import FilesConfig
from unroll.data.readers.table_file import read_table

EXPERIMENTS = ("temperature", "co2")
PEERS = ("statsforecast.AutoETS", "statsforecast.AutoTheta", "neuralforecast.NHITS", "neuralforecast.GRU")
OURS = ("", "model=seq2seq_continuous data.task=seq2seq", "model/cell=lstm")
"""What is added to `python train.py experiment=…`, a row for each."""

PACKAGES = (f"torch=={version('torch').split('+')[0]}", "neuralforecast==3.3.0", "statsforecast==2.1.1")
QUICK = "trainer.max_epochs=1 trainer.limit_train_batches=2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The windows of one series that is forecast from its own past, in the order of a run's test.

    Attributes:
        file, target: where the series stands.
        train, valid, test: the steps of its parts.
        seconds: CPU seconds of training.
        steps: steps of training, at most.
    """

    file: str
    target: str
    train: int
    valid: int
    test: int
    window: int
    horizon: int
    stride: int
    season: int
    seconds: float
    steps: int


class Judge:
    """The test windows of a series, and the errors of forecasts of them."""

    def __init__(self, config: FilesConfig, seconds: float, steps: int) -> None:
        data = build_data(config, seed=1)
        spec, parts = data.spec, {}
        for split, samples in data.splits.items():
            windows = samples.samples
            assert isinstance(windows, Windows)
            (stretch,) = windows.stretches  # of the whole series, whichever the split
            parts[split] = stretch.end - stretch.start
        (starts,), form = windows.starts, windows.form  # of the test, which comes last
        self.values = read_table(Path(str(config.path))).numbers(spec.input_names[0])
        self.std = spec.target_std[0]
        self.origins = np.asarray(starts) + form.first
        self.task = Task(
            **parts,
            file=str(config.path),
            target=spec.input_names[0],
            window=form.steps,
            horizon=spec.horizon,
            stride=form.stride,
            season=spec.season,
            seconds=seconds,
            steps=steps,
        )

    def naive(self, season: int) -> np.ndarray:
        """The values of a season before (windows, horizon)."""
        ahead = np.arange(self.task.horizon) % season
        return self.values[self.origins[:, None] - season + ahead]

    def errors(self, forecasts: np.ndarray) -> tuple[float, float]:
        """MSE and MAE, in standard deviations of the training part."""
        true = self.values[self.origins[:, None] + np.arange(self.task.horizon)]
        assert forecasts.shape == true.shape
        missed = (forecasts - true) / self.std
        return float((missed**2).mean()), float(np.abs(missed).mean())


def rows(
    experiment: str, folder: Path, python: Path | None, ours: Sequence[str], *, seconds: float, quick: bool
) -> Iterator[list[str]]:
    """The rows of a table. `python` is that of the environment of other libraries, if they take part."""
    command = [f"experiment={experiment}", f"data.path={folder / experiment}.csv"]
    judge = Judge(load_config(*command).data, seconds, 5 if quick else 1000)
    yield row("naive", *judge.errors(judge.naive(1)), 0)
    if judge.task.season > 1:
        yield row("seasonal naive", *judge.errors(judge.naive(judge.task.season)), 0)
    for peer in PEERS if python else ():
        assert python is not None
        (folder / "task.json").write_text(json.dumps({**asdict(judge.task), "peer": peer}))
        script = ROOT / "benchmarks" / "_peers.py"
        taken = run([python, script, folder / "task.json", folder / "forecasts.npy"], folder)
        yield row(peer, *judge.errors(np.load(folder / "forecasts.npy")), taken)
    for number, words in enumerate(ours):
        run_folder = folder / f"{experiment}-{number}"
        more = [*words.split(), f"trainer.max_minutes={seconds / 60}", *(QUICK.split() if quick else ())]
        quiet = ["trainer.threads=1", "logger=none", f"run_dir={run_folder}"]
        taken = run([sys.executable, ROOT / "train.py", *command, *more, *quiet], folder)
        test = json.loads((run_folder / "results.json").read_text())["test"]
        errors = (test["test/rmse"] / judge.std) ** 2, test["test/mae"] / judge.std
        yield row(f"ours: `{words}`" if words else "ours", *errors, taken)


def row(name: str, mse: float, mae: float, seconds: float) -> list[str]:
    """A row of a table."""
    return [name, f"{mse:.4f}", f"{mae:.4f}", f"{seconds:.0f}"]


def run(command: Sequence[object], folder: Path) -> float:
    """Run a command in a folder with one thread; the CPU seconds that it took, or an error with its words."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env={**os.environ, **one}, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def environment(folder: Path) -> Path:
    """The Python of an environment with the other libraries, which is made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} (once; minutes)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="EXPERIMENT", help=f"of {', '.join(EXPERIMENTS)}; default: all"
    )
    parser.add_argument("--seconds", type=float, default=120, help="of training; default: 120")
    parser.add_argument(
        "--ours", action="append", metavar="OVERRIDES", help="a row of ours; may be given several times"
    )
    parser.add_argument("--venv", metavar="PATH", type=Path, help="the environment of other libraries")
    parser.add_argument("--no-peers", action="store_true", help="without other libraries")
    parser.add_argument("--quick", action="store_true", help="little training: to see that it runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = None if options.no_peers else environment(options.venv or folder / "venv")
        print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start.")
        for experiment in options.names or EXPERIMENTS:
            ours = OURS if options.ours is None else options.ours
            made = rows(experiment, folder, python, ours, seconds=options.seconds, quick=options.quick)
            print(
                f"\n{experiment}\n\n{table(['forecast', 'MSE', 'MAE', 'CPU seconds'], [*made])}", flush=True
            )


if __name__ == "__main__":
    main()
