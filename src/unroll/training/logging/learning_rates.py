"""Logs the learning rates of a run with its metrics."""

from typing import Any

from lightning.pytorch.callbacks import LearningRateMonitor


class LearningRates(LearningRateMonitor):
    """A column for each learning rate: lr-AdamW, and lr-AdamW/0.1 for parameters with a tenth of the rate.

    Lightning's own monitor has a column for each parameter group. Most groups differ in weight decay alone.
    """

    def _add_suffix(
        self, name: str, param_groups: list[dict[str, Any]], param_group_index: int, use_names: bool = True
    ) -> str:
        scale: float = param_groups[param_group_index].get("scale", 1.0)
        return name if scale == 1 else f"{name}/{scale:g}"
