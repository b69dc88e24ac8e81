"""Predictions as a table, beside the inputs they were made from."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from unroll.data.prediction.inputs import PredictionInputs
from unroll.spec import MEDIAN, Alignment, DataSpec, Kind

Prediction = np.ndarray | list[Any] | str
"""The prediction for one sequence: probabilities of classes (C,) or labels (O,), or values (O,) in the
data's units; or such a row for each step, (T, C) or (T, O); or the text of the tokens. Quantiles of values
are a last axis."""

Column = tuple[str, Any]


def predictions_table(
    inputs: PredictionInputs,
    predictions: Sequence[Prediction],
    spec: DataSpec,
    levels: tuple[float, ...] = (),
) -> pd.DataFrame:
    """A row for each sequence, or for each of its steps: its columns of `inputs`, then its prediction.

    - forecasts: id, time or step, and the targets; a row for each step ahead;
    - a class: id, label, p(class) …; for each step: id, step, label, p(class) …;
    - labels: id, the labels as 0 or 1, p(label) …; values: id, the values; with the step where there are
      some for each;
    - tokens: input, prediction.

    Of values with quantiles, at these `levels`, the median comes first, then the others, as amount_q10.

    For inputs of tokens the id is the line, and the input, or the token at the step, stands before the
    prediction.
    """
    if len(predictions) != len(inputs.samples):
        raise ValueError(f"{len(predictions)} predictions for {len(inputs.samples)} sequences")
    kind, alignment = spec.signature.targets, spec.signature.alignment
    if kind is Kind.TOKENS:
        return _table([*inputs.columns.items(), ("prediction", list(predictions))])
    quantiles = (len(levels),) if levels else ()
    rows = [_rows(np.asarray(prediction), inputs, spec, quantiles) for prediction in predictions]
    counts = [len(values) for values in rows]
    columns: list[Column] = [(name, np.repeat(values, counts)) for name, values in inputs.columns.items()]
    if inputs.ahead or alignment is not Alignment.SEQUENCE:
        steps = inputs.steps or [[str(step + 1) for step in range(count)] for count in counts]
        columns.append((inputs.step_name, list(itertools.chain.from_iterable(steps))))
    if inputs.tokens:
        columns.append(("input", list(itertools.chain.from_iterable(inputs.tokens))))
    return _table([*columns, *_outputs(np.concatenate(rows), inputs, spec, levels)])


def predictions_text(table: pd.DataFrame, spec: DataSpec) -> str:
    """The table as CSV with a header; predicted tokens as lines without one, like their files."""
    if spec.signature.targets is not Kind.TOKENS:
        digits = 15 if spec.centered else 8
        return table.to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n")
    cells = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return "".join("\t".join(row) + "\n" for row in cells)


def _rows(
    prediction: np.ndarray, inputs: PredictionInputs, spec: DataSpec, quantiles: tuple[int, ...]
) -> np.ndarray:
    """A prediction by row of the table, and output; its `quantiles` are a last axis, if it has some."""
    if inputs.ahead:
        # Where there is a forecast at each step, only the last one reaches beyond the data.
        return prediction.reshape(-1, len(spec.target_inputs), *quantiles)[-inputs.ahead :]
    return prediction.reshape(-1, prediction.shape[-1 - len(quantiles)], *quantiles)


def _outputs(
    rows: np.ndarray, inputs: PredictionInputs, spec: DataSpec, levels: tuple[float, ...]
) -> list[Column]:
    match spec.signature.targets:
        case Kind.CLASSES:
            label = [spec.target_vocabulary[best] for best in rows.argmax(axis=1)]
            return [("label", label), *_probabilities(rows, spec)]
        case Kind.LABELS:
            held = (rows > 0.5).astype(int)
            names = spec.target_vocabulary
            return [*zip(names, held.T, strict=True), *_probabilities(rows, spec)]
        case _:
            forecast = [spec.input_names[feature] for feature in spec.target_inputs]
            names = tuple(forecast) if inputs.ahead else spec.target_names
            if not levels:
                return list(zip(names, rows.T, strict=True))
            return [
                (name if level == MEDIAN else f"{name}_q{100 * level:g}", rows[:, column, place])
                for column, name in enumerate(names)
                for place, level in sorted(enumerate(levels), key=lambda each: each[1] != MEDIAN)
            ]


def _probabilities(rows: np.ndarray, spec: DataSpec) -> list[Column]:
    return [(f"p({name})", values) for name, values in zip(spec.target_vocabulary, rows.T, strict=True)]


def _table(columns: list[Column]) -> pd.DataFrame:
    """A table of these columns in this order, even if two have the same name."""
    table = pd.concat([pd.Series(values) for _, values in columns], axis=1)
    return table.set_axis([name for name, _ in columns], axis=1)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("\t", " ").splitlines())
