"""How many short trials a minute a sweep gets through, by what starts them."""

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from _setup import ROOT
from _timing import Spread, ratio, table

TRIAL = (
    *("model=many_to_one", "data=adding", "data.length=10", "data.train_size=512", "data.valid_size=64"),
    *("data.test_size=64", "model.hidden_size=8", "trainer.max_epochs=2", "logger=csv"),
)
BASIC = "Hydra's basic launcher, 1 at once"
JOBLIB = "joblib launcher, 2 at once"
LAUNCHERS = {
    BASIC: ["hydra/sweeper=basic", "hydra/launcher=basic"],
    JOBLIB: ["hydra/sweeper=basic", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "Unroll's, sweep.n_jobs=1": [],
    "Unroll's, sweep.n_jobs=2": ["sweep.n_jobs=2"],
}


def run(quick: bool) -> str:
    """Wall time of whole commands; Unroll's gives each trial a process, Hydra's basic one has one for all."""
    trials, repeats = (4, 2) if quick else (24, 3)
    here = [name for name in LAUNCHERS if name != JOBLIB or find_spec("hydra_plugins.hydra_joblib_launcher")]
    rates: dict[str, list[float]] = {name: [] for name in here}
    for _ in range(repeats):
        for name in here:
            rates[name].append(60 * trials / seconds(trials, LAUNCHERS[name]))
    rows = [[name, Spread.of(rates[name]), ratio(rates[name], rates[BASIC])] for name in here]
    text = table(["launcher", "trials a minute", "/ the basic launcher's"], rows)
    if JOBLIB not in here:
        text += (
            "\n\nNot measured: the joblib launcher is not installed (`pip install hydra-joblib-launcher`)."
        )
    return text


def seconds(trials: int, options: list[str]) -> float:
    """Wall time of a sweep over seeds in a folder of its own; all its trials must come to their results."""
    command = [sys.executable, str(ROOT / "train.py"), "-m", *TRIAL, f"seed=range(0,{trials})", *options]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        taken = time.perf_counter() - start
        found = len(list(Path(folder).glob("**/results.json")))
    if done.returncode != 0 or found != trials:
        raise RuntimeError(f"{command} ended with {done.returncode} and {found} results:\n{done.stderr}")
    return taken
