"""Predicts on new inputs with a trained model."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from unroll.data.collate import collate
from unroll.data.module import SequenceDataModule
from unroll.data.prediction.inputs import PredictionInputs, text_inputs
from unroll.data.prediction.predictions import predictions_table, predictions_text
from unroll.data.prediction.refused import Refused
from unroll.errors import InputError, NumericError
from unroll.models.base import SequenceModel
from unroll.models.pointwise import PointwiseModel
from unroll.nn.embeddings.base import Embedding
from unroll.spec import Kind
from unroll.trained.open import data_of

PREDICTION_BATCH_SIZE = 256


def predict(
    model: SequenceModel,
    run: Path,
    *,
    file: Path | None = None,
    lines: Iterable[tuple[str, str]] = (),
    refused: Refused | None = None,
    tell: Callable[[str], None] | None = None,
) -> str:
    """The predictions for a file in the format of the run's data, or for lines, each given with its place.

    The result is CSV; of predicted tokens it is a line for each input: the input, a tab and the prediction.
    All inputs are checked before the first prediction. Those that cannot be read are left out and noted in
    `refused`, if it is given; if nothing can be read, the result is empty. `tell` is called with what a
    person should know of how the inputs were read.

    Raises:
        InputError: an input that the model cannot read, by file and line.
        NumericError: a prediction is not finite.
    """
    inputs = read_inputs(model, data_of(run), str(run), file=file, lines=lines, refused=refused)
    if tell is not None:
        for note in inputs.notes:
            tell(note)
    if not inputs.samples:
        return ""
    spec = model.spec
    predictions = []
    for start in range(0, len(inputs.samples), PREDICTION_BATCH_SIZE):
        batch = collate(inputs.samples[start : start + PREDICTION_BATCH_SIZE], spec.signature)
        found = model.predict_step(batch)
        for number, prediction in enumerate(found, start=start + 1):
            if isinstance(prediction, np.ndarray) and not np.isfinite(prediction).all():
                raise NumericError(
                    f"{run}: the prediction for sequence {number} is no finite number; its inputs are too "
                    "far from what the model has learned from, or its weights are too large"
                )
        predictions += found
    quantiles = model.quantiles if isinstance(model, PointwiseModel) else None
    levels = () if quantiles is None else quantiles.levels
    return predictions_text(predictions_table(inputs, predictions, spec, levels), spec)


def read_inputs(
    model: SequenceModel,
    data: SequenceDataModule,
    name: str,
    *,
    file: Path | None = None,
    lines: Iterable[tuple[str, str]] = (),
    refused: Refused | None = None,
) -> PredictionInputs:
    """Inputs for a model, from a file or from lines, each with its place. Messages call the model `name`.

    Inputs that cannot be read are left out and noted in `refused`, if it is given.

    Raises:
        InputError: an input that the model cannot read, by file and line.
    """
    spec = model.spec
    reads_spelling = any(
        isinstance(module, Embedding) and module.reads_spelling for module in model.modules()
    )
    unknown = data.accepts_unknown or reads_spelling
    if file is not None:
        return data.read_inputs(file, spec, unknown=unknown, refused=refused)
    if spec.signature.inputs is Kind.CONTINUOUS:
        raise InputError(
            f"{name}: reads values, not text; give --input FILE, a table like the data of the run"
        )
    return text_inputs(list(lines), spec, unknown=unknown, refused=refused)
