"""What a run leaves beside its metrics: test sequences with predictions, tables and pictures."""

import logging
from collections.abc import Iterable
from typing import Any

from unroll.batch import SequenceBatch
from unroll.data.module import SequenceDataModule
from unroll.inspect.recording import Call, record
from unroll.models.base import SequenceModel
from unroll.nn.recurrence import Recurrence
from unroll.runs.folder import RunFolder
from unroll.training.logging import loggers, pictures

log = logging.getLogger("unroll")


def leave(folder: RunFolder, model: SequenceModel, data: SequenceDataModule, number: int) -> SequenceBatch:
    """Write and draw what a tested model has to show; returns the `number` test sequences it is shown on."""
    batch = _examples(model, data, number)
    if folder.writes:
        _write_tables(folder, model)
        _show_examples(folder, model, batch)
        draw_pictures(folder, model, batch, _examples(model, data, 1))
    return batch


def _examples(model: SequenceModel, data: SequenceDataModule, number: int) -> SequenceBatch:
    """Test sequences from all over the split: neighbours may be windows of the same series."""
    test = data.splits["test"]
    chosen = range(0, len(test), max(1, len(test) // number))[:number]
    return data.collate([test[index] for index in chosen]).to(model.device)


def _write_tables(folder: RunFolder, model: SequenceModel) -> None:
    """confusion.csv (rows are the true classes) and accuracy_by_length.csv, where the model has them."""
    report, names = model.report(), model.spec.target_vocabulary
    if "confusion" in report:
        rows = [[name, *counts] for name, counts in zip(names, report["confusion"], strict=True)]
        folder.write_csv(folder.confusion, ["true \\ predicted", *names], rows)
    if "accuracy_by_length" in report:
        rows = [list(pair) for pair in report["accuracy_by_length"].items()]
        folder.write_csv(folder.accuracy_by_length, ["length", "accuracy"], rows)


def _show_examples(folder: RunFolder, model: SequenceModel, batch: SequenceBatch) -> None:
    """Print a batch's sequences with their predictions; write examples.csv; put them on the dashboard."""
    examples = model.examples(batch)
    if not examples:
        return
    width = max(len(example.inputs) for example in examples)
    log.info("\ntest sequences, and what the model makes of them")
    for example in examples:
        target = " or ".join(example.targets)
        verdict = ("right" if example.right else f"wrong: {target}") if example.graded else f"true: {target}"
        log.info("  %s  →  %s   (%s)", example.inputs.ljust(width), example.predicted, verdict)
    rows: list[Iterable[Any]] = [
        [e.inputs, e.predicted, " | ".join(e.targets), e.right if e.graded else None] for e in examples
    ]
    columns: list[str | int] = ["input", "predicted", "target", "right"]
    folder.write_csv(folder.examples, columns, rows)
    loggers.log_table("test/examples", columns, rows)


def draw_pictures(folder: RunFolder, model: SequenceModel, batch: SequenceBatch, one: SequenceBatch) -> None:
    """curves.png, and what else the model has to show of its test; on the dashboard too.

    `one` is a batch of one sequence, of which the hidden states are shown.
    """
    if folder.metrics.is_file():
        pictures.draw_curves(folder.read_curves(), str(folder), folder.picture("curves"))
    maps = model.attention_maps(batch)
    if maps:
        pictures.draw_attention(maps[:3], folder.picture("attention"))
    forecasts = model.forecasts(batch)
    if forecasts:
        pictures.draw_forecasts(forecasts[:4], folder.picture("forecasts"))
    calls = _recorded(model, one)
    if calls:
        pictures.draw_hidden_states(calls, folder.picture("hidden_states"))
    report = model.report()
    if "confusion" in report:
        names = model.spec.target_vocabulary
        pictures.draw_confusion(report["confusion"], names, folder.picture("confusion"))
    if "accuracy_by_length" in report:
        by_length = report["accuracy_by_length"]
        pictures.draw_accuracy_by_length(by_length, folder.picture("accuracy_by_length"))
    for picture in folder.pictures():
        loggers.log_image(f"pictures/{picture.stem}", picture)


def _recorded(model: SequenceModel, one: SequenceBatch) -> list[Call]:
    """What the recurrences do with a sequence, its targets given to a decoder."""
    if not any(isinstance(part, Recurrence) and part.num_layers > 0 for part in model.modules()):
        return []
    return record(lambda: model.loss(one), model, 0)
