"""Writes and draws the errors of forecasts: at each step ahead, and of each series."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from unroll.data.module import SequenceDataModule
from unroll.models.base import SequenceModel
from unroll.runs.folder import RunFolder
from unroll.runs.metrics import defined

MOST_PANELS = 4
"""Features of which the errors are drawn."""

LOOKS = {
    "mae": {"color": "tab:blue", "label": "model"},
    "naive_mae": {"color": "tab:orange", "ls": ":", "label": "naive forecast"},
    "seasonal_naive_mae": {"color": "tab:green", "ls": "--", "label": "seasonal naive forecast"},
}


def write_tables(folder: RunFolder, model: SequenceModel, data: SequenceDataModule) -> None:
    """Write error_by_step.csv, and error_by_series.csv if the series have names, of a tested model."""
    details = model.test_details()
    if "error_by_step" in details:
        errors, names = details["error_by_step"], _features(model)
        rows = [
            [step + 1, name, *(errors[kind][step][feature] for kind in errors)]
            for step in range(len(errors["mae"]))
            for feature, name in enumerate(names)
        ]
        folder.write_csv(folder.error_by_step, ["step", "feature", *errors], rows)
    series = data.series_names("test")
    if "error_by_series" in details and any(series):
        found = details["error_by_series"]
        columns = [name for name in found[0] if name not in ("number", "windows")]
        rows = [
            [
                series[each["number"]],
                int(each["windows"]),
                *defined({name: each[name] for name in columns}).values(),
            ]
            for each in found
        ]
        folder.write_csv(folder.error_by_series, ["series", "windows", *columns], rows)


def draw(folder: RunFolder, model: SequenceModel) -> None:
    """Draw error_by_step.png: the errors over the steps ahead, if there are several."""
    errors = model.test_details().get("error_by_step")
    if errors is not None and len(errors["mae"]) > 1:
        draw_errors(errors, _features(model), folder.picture("error_by_step"))


def draw_errors(errors: dict[str, list[list[float]]], names: list[str], path: Path) -> None:
    """MAE (steps, features) of a model and of the naive forecasts, a panel for each of the first features."""
    shown = names[:MOST_PANELS]
    figure = Figure(figsize=(8, 0.6 + 2.6 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for feature, (axes, name) in enumerate(zip(panels, shown, strict=True)):
        for kind, values in errors.items():
            ahead = range(1, len(values) + 1)
            marker = "." if len(values) < 40 else ""
            look: dict[str, Any] = LOOKS[kind]
            axes.plot(ahead, [step[feature] for step in values], marker=marker, **look)
        axes.set_ylabel(f"MAE of {name}", parse_math=False)
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("steps ahead")
    figure.suptitle("Errors of the forecasts of the test data", fontsize=11)
    figure.savefig(path, dpi=120)


def _features(model: SequenceModel) -> list[str]:
    """The names of the features that are forecast."""
    spec = model.spec
    numbers = (str(number + 1) for number in range(len(spec.target_inputs)))
    return [spec.input_names[at] for at in spec.target_inputs] if spec.input_names else list(numbers)
