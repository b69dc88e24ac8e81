"""Sweeps in this process: the real sweeper, and something short in the place of training."""

import csv
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import RunMode

from unroll.config import compose as root
from unroll.runs.folder import RunFolder
from unroll.sweep import sweeper
from unroll.sweep.commands import Commands
from unroll.sweep.search.space import Space
from unroll.sweep.trials import TrialState, read_record

TINY = (
    *("model=many_to_one", "data=adding", "model.hidden_size=4", "debug=fast", "logger=none"),
    *("data.length=10", "data.train_size=64", "data.valid_size=16", "data.test_size=16"),
)


Train = Callable[[dict[str, str]], None]
"""Takes what a trial's command line says, by key."""


def quadratic(options: dict[str, str]) -> float:
    """A measure that is best at a learning rate of 0.01 and a hidden size of 8."""
    lr, size = float(options.get("optimizer.lr", "0.001")), int(options["model.hidden_size"])
    return abs(lr - 0.01) + abs(size - 8) + int(options.get("seed", "0")) / 1000


def write_results(options: dict[str, str]) -> None:
    """Leave what a run leaves that has finished; and a line in ran.txt, by which to count runs."""
    folder = Path(options["run_dir"].strip("'"))
    results = {
        "valid": {"valid/loss": quadratic(options), "valid/accuracy": -quadratic(options)},
        "monitor": {"valid/loss": "minimize"},
        "test": {"test/loss": 1.0},
        "seconds": 2.0,
        "parameters": 10 * int(options["model.hidden_size"]),
    }
    (folder / "results.json").write_text(json.dumps(results))
    with Path("ran.txt").open("a") as file:
        file.write(f"{folder.name}\n")


class Calls(Launcher):
    """Calls a function for each trial."""

    def __init__(self, train: Train) -> None:
        self.train = train

    def setup(self, **options: object) -> None:
        pass

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        for overrides in job_overrides:
            options = dict(override.split("=", 1) for override in overrides)
            folder = Path(options["run_dir"].strip("'"))
            record = read_record(RunFolder(folder))
            record.state = TrialState.running
            record.write(RunFolder(folder))
            with suppress(ArithmeticError):  # a launcher goes on after a job that failed
                self.train(options)
        return []


def run_sweep(
    *arguments: str,
    train: Train = write_results,
    launcher: Launcher | None = None,
    tiny: tuple[str, ...] = TINY,
    show_more: Callable[[Path, Space], None] | None = None,
) -> None:
    """What `python train.py -m ARGUMENTS` does, in the current folder."""
    root.register()
    with root.composition_errors(root.CONF), initialize_config_dir(str(root.CONF), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        master = hydra.compose_config("train", [*tiny, *arguments, "hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
        words = list(master.hydra.overrides.task)
        sweeper.run_sweep(master, hydra.config_loader, words, lambda: launcher or Calls(train), show_more)


def commands_of(*arguments: str, axes: dict[str, str] | None = None) -> tuple[Space, Commands]:
    """The space of a sweep, and what makes trials of it. To be used while Hydra is initialised."""
    hydra = GlobalHydra.instance().hydra
    master = hydra.compose_config("train", list(arguments), RunMode.MULTIRUN)
    space = Space(axes or {}, list(master.hydra.overrides.task), hydra.config_loader)
    return space, Commands(master, hydra.config_loader, space, Path("sweep"))


def the_sweep() -> Path:
    """The one folder of a sweep in the current folder."""
    (folder,) = Path("outputs/sweeps").iterdir()
    return folder


def trials(folder: Path | None = None) -> list[dict[str, object]]:
    """What trial.json says of each trial, by number."""
    files = sorted((folder or the_sweep()).glob("*/trial.json"))
    return [json.loads(file.read_text()) for file in files]


def table(folder: Path | None = None) -> list[dict[str, str]]:
    """The rows of trials.csv."""
    with ((folder or the_sweep()) / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def ran() -> list[str]:
    """The numbers of the trials that have run, in order."""
    return Path("ran.txt").read_text().split()
