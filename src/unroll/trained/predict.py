"""A trained model on inputs that a person brings."""

from collections.abc import Iterable
from pathlib import Path

from unroll.data.collate import collate
from unroll.data.module import SequenceDataModule
from unroll.data.prediction.inputs import PredictionInputs, text_inputs
from unroll.data.prediction.predictions import predictions_table, predictions_text
from unroll.errors import InputError
from unroll.models.base import SequenceModel
from unroll.nn.embeddings.base import Embedding
from unroll.spec import Kind
from unroll.trained.evaluate import data_of

BATCH = 256


def predict(
    model: SequenceModel,
    run: Path,
    *,
    file: Path | None = None,
    lines: Iterable[tuple[str, str]] = (),
) -> str:
    """Predictions for a file in the format that the run's data had, or for lines, each with its place.

    Lines come back with their predictions, a tab between; of a table the predictions are CSV. All inputs are
    checked before the first prediction.

    Raises:
        InputError: an input that the model cannot read, by file and line.
    """
    inputs = read_inputs(model, data_of(run), str(run), file=file, lines=lines)
    spec = model.spec
    predictions = []
    for start in range(0, len(inputs.samples), BATCH):
        predictions += model.predict_step(collate(inputs.samples[start : start + BATCH], spec.signature))
    return predictions_text(predictions_table(inputs, predictions, spec), spec)


def read_inputs(
    model: SequenceModel,
    data: SequenceDataModule,
    name: str,
    *,
    file: Path | None = None,
    lines: Iterable[tuple[str, str]] = (),
) -> PredictionInputs:
    """Inputs for a model: those in a file, or lines, each with its place. A message calls the model `name`.

    Raises:
        InputError: an input that the model cannot read, by file and line.
    """
    spec = model.spec
    unknown = data.accepts_unknown or any(
        isinstance(module, Embedding) and module.reads_spelling for module in model.modules()
    )
    if file is not None:
        return data.read_inputs(file, spec, unknown=unknown)
    if spec.signature.inputs is Kind.CONTINUOUS:
        raise InputError(f"{name}: reads values, not text; give --input FILE, a table as its data were")
    return text_inputs(list(lines), spec, unknown=unknown)
