"""Lightning's logger for a run's metrics.csv."""

import math
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger
from torch import Tensor

from unroll.runs.metrics import MetricsTable

MEASURED = ("valid/", "test/")
"""How the names of metrics begin. Of too little data some are not defined, and their cells stay empty."""


class MetricsFile(Logger):
    """Writes what Lightning logs to a table."""

    def __init__(self, table: MetricsTable) -> None:
        super().__init__()
        self.table = table

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds the hyperparameters."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        row = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics.items()}
        undefined = [name for name, value in row.items() if name.startswith(MEASURED) and math.isnan(value)]
        self.table.append({**row, **dict.fromkeys(undefined), "step": step})
