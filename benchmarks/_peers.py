"""Forecasts of another library on given windows: executed by benchmarks/forecasting.py in its environment.

    python _peers.py TASK.json FORECASTS.npy

TASK.json names the file of the series, the sizes of its parts and windows, the peer and its CPU seconds. The
forecasts (windows, horizon) are those of every test window, in order.
"""

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def neural(task: dict[str, Any], table: pd.DataFrame, peer: str) -> np.ndarray:
    """A model of neuralforecast as it comes, on standardised values, until its steps or its time are over."""
    import pytorch_lightning as pl
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.models import GRU, NHITS

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)

    class Budget(pl.Callback):
        """Ends the training after so many CPU seconds."""

        def on_train_batch_end(self, trainer: pl.Trainer, *others: object) -> None:
            trainer.should_stop = trainer.should_stop or time.process_time() - start > task["seconds"]

    start = time.process_time()
    model = {"GRU": GRU, "NHITS": NHITS}[peer](
        h=task["horizon"],
        input_size=task["window"],
        max_steps=task["steps"],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Budget()],
    )
    test = task["test"] - (task["test"] - task["horizon"]) % task["stride"]
    kept = table.iloc[: len(table) - (task["test"] - test)]
    frame = pd.DataFrame({"unique_id": "series", "ds": np.arange(len(kept)), "y": kept[task["target"]]})
    found = NeuralForecast([model], freq=1, local_scaler_type="standard").cross_validation(
        frame, n_windows=None, val_size=task["valid"], test_size=test, step_size=task["stride"]
    )
    return found.sort_values(["cutoff", "ds"])[peer].to_numpy().reshape(-1, task["horizon"])


def classical(task: dict[str, Any], table: pd.DataFrame, peer: str) -> np.ndarray:
    """A model of statsforecast, whose parameters are fitted once, to the training part."""
    from statsforecast import models

    values = table[task["target"]].to_numpy(np.float64)
    model = getattr(models, peer)(season_length=task["season"])
    first = len(values) - task["test"]
    model.fit(values[: task["train"]])
    origins = range(first, len(values) - task["horizon"] + 1, task["stride"])
    return np.stack([model.forward(values[:origin], task["horizon"])["mean"] for origin in origins])


def main() -> None:
    """Write the forecasts of one peer."""
    warnings.simplefilter("ignore")
    task = json.loads(Path(sys.argv[1]).read_text())
    table = pd.read_csv(task["file"])
    library, peer = task["peer"].split(".")
    forecast = {"neuralforecast": neural, "statsforecast": classical}[library]
    np.save(sys.argv[2], forecast(task, table, peer))


if __name__ == "__main__":
    main()
