"""Classical forecasts of the package `statsforecast`, on the windows that models are tested on."""

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from unroll.data.files.windows import Windows
from unroll.data.module import SequenceDataModule
from unroll.errors import InputError, MissingEnvironmentError
from unroll.models.forecast_metrics import ForecastErrors

NAMES = ("SeasonalNaive", "AutoETS", "AutoTheta", "AutoARIMA")
"""The models of statsforecast."""

MOST_ORIGINS = 200
"""Windows of each part that are forecast, spread evenly: to go on to an origin takes up to a second."""


@dataclass(frozen=True, slots=True)
class Classical:
    """What a classical forecast has reached.

    Attributes:
        errors: the metrics of validation and test, by name.
        windows: how many windows were forecast for the test, and how many there are.
        fit_seconds: the time to fit all series.
        forecast_seconds: the time of the forecasts of the test.
    """

    errors: dict[str, float]
    windows: tuple[int, int]
    fit_seconds: float
    forecast_seconds: float


def require_package() -> None:
    """Raise a `MissingEnvironmentError` if statsforecast is not installed."""
    if importlib.util.find_spec("statsforecast") is None:
        raise MissingEnvironmentError(
            "classical forecasts need the package 'statsforecast': pip install statsforecast"
        )


def forecast_classically(name: str, data: SequenceDataModule) -> Classical:
    """The errors of a model that is fitted to the training part of each series, one feature at a time.

    It goes forward to each origin with the values before it, without being fitted again.

    Raises:
        MissingEnvironmentError: statsforecast is not installed.
        InputError: a series is none to train on.
    """
    require_package()
    make = getattr(importlib.import_module("statsforecast.models"), name)
    errors: dict[str, float] = {}
    fitted = _fitted(lambda: make(season_length=data.spec.season), data)
    windows, seconds = (0, 0), 0.0
    for split in ("valid", "test"):
        samples = data.splits[split]
        chosen = range(0, len(samples), -(-len(samples) // MOST_ORIGINS))
        start = time.perf_counter()
        forecasts = np.stack([_forecast(fitted.models, data, split, index) for index in chosen])
        windows, seconds = (len(chosen), len(samples)), time.perf_counter() - start
        batch = data.collate([samples[index] for index in chosen])
        assert batch.targets is not None
        found = ForecastErrors(data.spec)
        found.update(batch, torch.from_numpy(forecasts).float().reshape(batch.targets.shape))
        mae = np.mean(found.details()["error_by_step"]["mae"])
        values = {"mae": mae, **{key: float(value) for key, value in found.compute().items()}}
        errors |= {f"{split}/{key}": float(value) for key, value in values.items()}
    return Classical(errors, windows, fitted.seconds, seconds)


@dataclass(frozen=True, slots=True)
class _Fitted:
    models: dict[str, list[Any]]
    seconds: float


def _fitted(make: Callable[[], Any], data: SequenceDataModule) -> _Fitted:
    """A model of each feature of each series, by the name of the series."""
    windows = data.splits["train"].samples
    assert isinstance(windows, Windows)
    start = time.perf_counter()
    models: dict[str, list[Any]] = {}
    for stretch in windows.stretches:
        values = stretch.inputs[: stretch.end].double().numpy()
        models[stretch.name] = [make().fit(values[:, feature]) for feature in range(windows.form.targets)]
    return _Fitted(models, time.perf_counter() - start)


def _forecast(models: dict[str, list[Any]], data: SequenceDataModule, split: str, index: int) -> np.ndarray:
    """The forecast of a window (horizon, features), from all values of its series before it."""
    windows = data.splits[split].samples
    assert isinstance(windows, Windows)
    stretch, start = windows.place(index)
    if stretch.name not in models:
        raise InputError(
            f"series '{stretch.name}': is none of those to train on; classical forecasts need it"
        )
    known = stretch.inputs[: start + windows.form.first].double().numpy()
    found = [_go_on(model, known[:, at], data.spec.horizon) for at, model in enumerate(models[stretch.name])]
    return np.stack(found, axis=1)


def _go_on(model: Any, known: np.ndarray, horizon: int) -> np.ndarray:
    """The values after these, by a model that is fitted. The seasonal naive one has nothing to fit."""
    go_on = model.forecast if type(model).__name__ == "SeasonalNaive" else model.forward
    mean: np.ndarray = go_on(known, horizon)["mean"]
    return mean
