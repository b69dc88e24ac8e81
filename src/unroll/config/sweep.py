"""Config of a sweep: what is tried, in which order, how much at once. Part of the root config."""

import re
from dataclasses import dataclass, field
from enum import Enum

from unroll.config.registry import require

TRIAL = "UNROLL_TRIAL"
"""The environment variable that tells a trial's further processes of which folder they are."""

MEASURES = (
    "seconds",
    "train_seconds",
    "parameters",
    "epochs",
    "steps",
    "sequences_per_second",
    "tokens_per_second",
)
"""What results.json says of a run besides its metrics. Those of the test data are none to choose by."""

MAXIMIZED_ENDINGS = (
    *("accuracy", "exact_match", "f1", "precision", "recall", "roc_auc", "r2", "r2_pooled", "bleu", "chrf"),
    "per_second",
)
"""How the names of such measures end."""


class Sampler(Enum):
    """How the values of the next trial are chosen."""

    grid = "grid"
    random = "random"
    tpe = "tpe"
    cmaes = "cmaes"


class Pruner(Enum):
    """Which trials are stopped early, by what others had reached after as many epochs."""

    none = "none"
    median = "median"
    hyperband = "hyperband"


class Direction(Enum):
    """Whether a smaller or a larger value is better."""

    minimize = "minimize"
    maximize = "maximize"


@dataclass(kw_only=True, slots=True)
class SweepConfig:
    """Config of a sweep.

    Attributes:
        name: its folder in outputs/sweeps; null is made from the command, so that the same one finds it again
        search_space: keys and groups with their values, as on the command line, which goes before it
        sampler: how the values of the next trial are chosen; grid runs every combination
        pruner: which trials are stopped early, by what others had reached after as many epochs
        n_trials: trials wanted, of all processes and restarts together; null with the grid, which runs all
        objectives: measures to choose by, as valid/loss, seconds, parameters or maximize:valid/NAME; none is
            the model's own; accuracies, F1, R² and speeds are maximised and all others minimised
        seed: seed of the sampler
        n_jobs: trials at once
        minutes: the most that a trial may take; null is no limit
        retry_failed: whether trials that failed run again
    """

    name: str | None = None
    search_space: dict[str, str] = field(default_factory=dict)
    sampler: Sampler = Sampler.grid
    pruner: Pruner = Pruner.none
    n_trials: int | None = None
    objectives: list[str] = field(default_factory=list)
    seed: int = 1
    n_jobs: int = 1
    minutes: float | None = None
    retry_failed: bool = False

    def __post_init__(self) -> None:
        named = self.name is None or re.fullmatch(r"\w[\w.-]*", self.name) is not None
        require(self, "name", named, "letters, digits, '_', '-' and '.', since it is a folder's")
        require(self, "n_jobs", self.n_jobs >= 1, "1 or more")
        require(self, "minutes", self.minutes is None or self.minutes > 0, "a positive number, or null")
        require(self, "seed", 0 <= self.seed < 2**32, "in [0, 2^32)")
        if self.sampler is Sampler.grid:
            require(
                self, "n_trials", self.n_trials is None, "null with sampler=grid: it runs all combinations"
            )
        else:
            asked = self.n_trials is not None and self.n_trials >= 1
            require(self, "n_trials", asked, f"1 or more with sampler={self.sampler.value}")
        for name in self.directions:
            known = name.startswith("valid/") or name in MEASURES
            require(self, "objectives", known, f"of valid/… or {', '.join(MEASURES)}; {name} is none of them")
        one = len(self.directions) <= 1
        require(self, "objectives", one or self.pruner is Pruner.none, "one measure only, to prune by")
        require(
            self, "objectives", one or self.sampler is not Sampler.cmaes, "one measure with sampler=cmaes"
        )

    @property
    def directions(self) -> dict[str, Direction]:
        """The objectives by name, and whether a smaller or a larger value is better."""
        found = {}
        for objective in self.objectives:
            direction, _, name = objective.rpartition(":")
            if direction not in ("", *Direction.__members__):
                require(self, "objectives", False, f"minimize:{name} or maximize:{name}")
            natural = "maximize" if name.endswith(MAXIMIZED_ENDINGS) else "minimize"
            found[name.strip()] = Direction(direction or natural)
        return found
