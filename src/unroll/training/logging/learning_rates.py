"""The learning rates of a run, beside its metrics."""

from typing import Any

from lightning.pytorch.callbacks import LearningRateMonitor


class LearningRates(LearningRateMonitor):
    """A column for each rate that there is: lr-AdamW, and lr-AdamW/0.1 of parameters that learn at a tenth.

    Lightning's own monitor has one for each group of parameters, though most groups differ in their weight
    decay alone.
    """

    def _add_suffix(
        self, name: str, param_groups: list[dict[str, Any]], param_group_index: int, use_names: bool = True
    ) -> str:
        scale: float = param_groups[param_group_index].get("scale", 1.0)
        return name if scale == 1 else f"{name}/{scale:g}"
