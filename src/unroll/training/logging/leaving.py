"""Writes what a run leaves besides its metrics: test sequences with predictions, tables and pictures."""

import logging
import math
from collections.abc import Iterable
from typing import Any

from unroll.batch import SequenceBatch
from unroll.data.module import SequenceDataModule
from unroll.inspect.recording import Call, record
from unroll.inspect.step_names import step_names
from unroll.models.base import SequenceModel
from unroll.models.targets import MOST_SHOWN_STEPS, shortened
from unroll.models.token_generator import TokenGenerator
from unroll.nn.recurrence import Recurrence
from unroll.runs.folder import RunFolder
from unroll.runs.metrics import defined
from unroll.training.logging import forecast_errors, loggers, pictures
from unroll.training.logging.forecast_picture import draw_forecasts

MOST_FORECASTS = 4
"""In the picture of forecasts."""

log = logging.getLogger("unroll")


def leave(
    folder: RunFolder, model: SequenceModel, data: SequenceDataModule, number: int, *, tested: bool = True
) -> SequenceBatch:
    """Write the tables and pictures of a model, for `number` test sequences; return these.

    Of one that has learned from them, and was not `tested`, there are the curves alone.
    """
    batch = _examples(model, data, number)
    if folder.writes and not tested:
        _draw_curves(folder)
    elif folder.writes:
        _write_tables(folder, model, data)
        _show_examples(folder, model, batch)
        draw_pictures(folder, model, data, batch)
    return batch


def _examples(model: SequenceModel, data: SequenceDataModule, number: int) -> SequenceBatch:
    """Test sequences spread over the whole split: neighbours may be windows of the same series."""
    test = data.splits["test"]
    chosen = range(0, len(test), max(1, len(test) // number))[:number]
    return data.collate([test[index] for index in chosen]).to(model.device)


def _write_tables(folder: RunFolder, model: SequenceModel, data: SequenceDataModule) -> None:
    """Write confusion.csv (a row for each true class) and the other tables that the model has."""
    details, names = model.test_details(), model.spec.target_vocabulary
    if "confusion" in details:
        rows = [[name, *counts] for name, counts in zip(names, details["confusion"], strict=True)]
        folder.write_csv(folder.confusion, ["true \\ predicted", *names], rows)
    if "accuracy_by_length" in details:
        rows = [[length, *both] for length, both in details["accuracy_by_length"].items()]
        folder.write_csv(folder.accuracy_by_length, ["length", "accuracy", "answers"], rows)
    if "r2_by_output" in details:
        by_output = defined(details["r2_by_output"])
        folder.write_csv(folder.r2_by_output, ["output", "r2"], [list(pair) for pair in by_output.items()])
    forecast_errors.write_tables(folder, model, data)


def _show_examples(folder: RunFolder, model: SequenceModel, batch: SequenceBatch) -> None:
    """Print the sequences of a batch with their predictions, also to examples.csv and the dashboard."""
    examples = model.examples(batch)
    if not examples:
        return
    inputs = [shortened(example.inputs.split(" "), MOST_SHOWN_STEPS) for example in examples]
    width = max(map(len, inputs))
    log.info("\ntest sequences, and what the model makes of them")
    for example, shown in zip(examples, inputs, strict=True):
        target = " or ".join(example.targets)
        verdict = ("right" if example.right else f"wrong: {target}") if example.graded else f"true: {target}"
        log.info("  %s  →  %s   (%s)", shown.ljust(width), example.predicted, verdict)
    rows: list[Iterable[Any]] = [
        [e.inputs, e.predicted, " | ".join(e.targets), e.right if e.graded else None] for e in examples
    ]
    columns: list[str | int] = ["input", "predicted", "target", "right"]
    folder.write_csv(folder.examples, columns, rows)
    loggers.log_table("test/examples", columns, rows)


def draw_pictures(
    folder: RunFolder, model: SequenceModel, data: SequenceDataModule, batch: SequenceBatch
) -> None:
    """Draw curves.png and the pictures of the test, also on the dashboard.

    Attention and forecasts are drawn of the first sequences of `batch`, hidden states of one test sequence.
    """
    _draw_curves(folder)
    maps = model.attention_maps(batch)
    if maps:
        pictures.draw_attention(maps[:3], folder.picture("attention"))
    forecasts = model.forecasts(batch)
    if forecasts:
        chosen = forecasts[:: math.ceil(len(forecasts) / MOST_FORECASTS)]
        named = [(forecast, data.named_steps("test", forecast.index)) for forecast in chosen]
        names = model.spec.input_names
        what = names[model.spec.target_inputs[0]] if names else "values"
        draw_forecasts(named, what, folder.picture("forecasts"))
    one = _examples(model, data, 1)
    calls = _recorded(model, one)
    if calls:
        written = None
        if isinstance(model, TokenGenerator) and one.targets is not None:
            written = one.targets[0].tolist()
        title = "Outputs of the recurrences for a test sequence"
        read = step_names(model.spec, one, written)
        pictures.draw_hidden_states(calls, read, title, folder.picture("hidden_states"))
    details = model.test_details()
    if "confusion" in details:
        names = model.spec.target_vocabulary
        pictures.draw_confusion(details["confusion"], names, folder.picture("confusion"))
    if "accuracy_by_length" in details:
        by_length = details["accuracy_by_length"]
        pictures.draw_accuracy_by_length(by_length, folder.picture("accuracy_by_length"))
    forecast_errors.draw(folder, model)
    for picture in folder.pictures():
        loggers.log_image(f"pictures/{picture.stem}", picture)


def _draw_curves(folder: RunFolder) -> None:
    if folder.metrics.is_file():
        pictures.draw_curves(folder.read_curves(), str(folder), folder.picture("curves"))


def _recorded(model: SequenceModel, one: SequenceBatch) -> list[Call]:
    """Record the recurrences on one sequence; a decoder is given its targets."""
    if not any(isinstance(part, Recurrence) and part.num_layers > 0 for part in model.modules()):
        return []
    return record(lambda: model.loss(one), model, 0)
