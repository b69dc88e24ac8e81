"""Trains what a run has trained once more, on all of its data, for as long as was best there."""

import math
from pathlib import Path
from typing import Any

import torch

from unroll.config.registry import build, from_dict
from unroll.config.root import RefitConfig, TrainConfig, load
from unroll.data.module import build_data
from unroll.data.synthetic.base import SyntheticData
from unroll.errors import InputError
from unroll.models.base import SequenceModel
from unroll.runs.checkpoints import find
from unroll.runs.folder import RunFolder
from unroll.spec import DataSpec
from unroll.training import checkpoints
from unroll.training.history import History
from unroll.training.settle import steps_of


def refit_values(folder: RunFolder, values: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    """The config of a run that does this one once more, from its plain values and its results.

    It takes as many steps of the optimizer as the best checkpoint has, each at the learning rate that it had.
    Those of a schedule that waits for a plateau are the ones that the validations led to.

    Raises:
        InputError: the data are drawn, or there is no best checkpoint.
    """
    config = load(values)
    if isinstance(build_data(config.data, config.seed), SyntheticData):
        raise InputError(
            f"{folder}: learned from data that are drawn (data.name={config.data.name}); draw more, by "
            "data.train_size"
        )
    if not folder.has(folder.best):
        raise InputError(f"{folder}: has no best checkpoint, as it ended before its first validation")
    best = checkpoints.read(folder.best)
    steps, epoch = int(best["global_step"]), _steps_of_an_epoch(config, results)
    planned = math.ceil(epoch * (config.trainer.max_epochs or 1))
    if config.trainer.max_steps >= 0:
        planned = min(planned, config.trainer.max_steps)
    scheduler = values["scheduler"]
    if scheduler["name"] == "plateau":
        scheduler = _as_it_went(scheduler, best, epoch)
    epochs = math.ceil(steps / epoch) + (config.trainer.truncate_steps is not None)
    return {
        **values,
        "run_dir": str(_wanted(folder)),
        "trainer": {**values["trainer"], "max_steps": steps, "max_epochs": epochs, "max_minutes": None},
        "scheduler": scheduler,
        "early_stopping": {**values.get("early_stopping", {}), "patience": None},
        "refit": {"run": str(folder), "schedule_steps": max(planned, steps)},
    }


def take_calibration(model: SequenceModel, refit: RefitConfig) -> None:
    """Give a model that has not learned yet what the validation of the other run has calibrated.

    Raises:
        InputError: that run has no checkpoint any more, or learned from other data.
    """
    assert refit.run is not None
    path = find(Path(refit.run))
    saved = checkpoints.read(path)
    if DataSpec.from_dict(saved["hyper_parameters"]["spec"]) != model.spec:
        raise InputError(f"{refit.run}: learned from other data than its files hold now; train anew on them")
    model.take_calibration(saved["state_dict"])


def nothing_to_test(refit: RefitConfig, steps: int) -> dict[str, Any]:
    """What results.json says in place of a test."""
    told = (
        f"Trained on all of the data, for the {steps:,} steps after which {refit.run} was best. It has no "
        f"test of its own: that of {refit.run} tells how good such a model is."
    )
    return {"test": {}, "verdict": told, "valid": {}}


def _steps_of_an_epoch(config: TrainConfig, results: dict[str, Any]) -> float:
    """The steps of the optimizer in an epoch of a run that has finished."""
    if config.trainer.truncate_steps is not None:  # they differ from epoch to epoch
        return int(results["steps"]) / max(1, int(results["epochs"]))
    assert config.data.batch_size is not None
    return steps_of(config.trainer, int(results["sizes"]["train"]), config.data.batch_size)


def _as_it_went(plateau: dict[str, Any], best: dict[str, Any], epoch: float) -> dict[str, Any]:
    """The schedule that has the rates of a plateau, as the validations up to the best checkpoint led to."""
    history = History("", "min")
    progress = best["callbacks"]["Progress"]
    history.load(progress["history"])
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = build(from_dict("scheduler", plateau), optimizer, 1, "min")
    steps: list[int] = []
    factors: list[float] = []
    for validation in history.validations:
        scheduler.step(validation.value)
        factor = optimizer.param_groups[0]["lr"]
        if factor != (factors[-1] if factors else 1.0):
            steps.append(round(validation.epoch * epoch))
            factors.append(factor)
    return {"name": "piecewise", "steps": steps, "factors": factors}


def _wanted(folder: RunFolder) -> Path:
    """The folder for the new run: beside the other one, or beside its sweep."""
    path = folder.path.absolute() if folder.path.name in ("", "..") else folder.path
    if folder.has(folder.trial):
        return path.parent.with_name(f"{path.parent.name}-{path.name}-refit")
    return path.with_name(f"{path.name}-refit")
