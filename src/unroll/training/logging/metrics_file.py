"""Lightning's logger for a run's metrics.csv."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger
from torch import Tensor

from unroll.runs.metrics import MetricsTable


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
        self.table.append({**row, "step": step})
