"""What a run leaves behind besides its checkpoints: the record of what was run, and what came of it."""

import csv
import itertools
import json
import logging
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from unroll.batch import SequenceBatch
from unroll.config.root import TrainerConfig
from unroll.errors import InputError, reason
from unroll.inspect.recording import Call, record
from unroll.models.base import SequenceModel
from unroll.nn.recurrence import Recurrence
from unroll.redact import redact
from unroll.runs import files as safe_files
from unroll.training.environment import environment
from unroll.training.logging import loggers, pictures

log = logging.getLogger("unroll")


def make_run_dir(wanted: Path) -> Path:
    """Make a run's folder; if there is one of that name already, another with -2, -3 … behind it."""
    for run_dir in numbered(wanted):
        try:
            run_dir.mkdir(parents=True)
        except FileExistsError:
            continue
        except (OSError, ValueError) as error:
            raise InputError(f"run_dir={wanted}: cannot be made ({reason(error)}); name another") from error
        return run_dir
    raise AssertionError  # numbers do not end


def numbered(wanted: Path) -> Iterator[Path]:
    """The folder of that name, then with -2, -3 … behind it."""
    yield wanted
    for number in itertools.count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")


def write_record(run_dir: Path, values: dict[str, Any], config: TrainerConfig) -> None:
    """config.yaml, command.txt and environment.json: what was run, and on what. `values` are redacted."""
    safe_files.write(run_dir / "command.txt", redact(shlex.join(["python", *sys.argv])) + "\n")
    _write_json(run_dir / "environment.json", environment(config))
    safe_files.write(run_dir / "config.yaml", as_yaml(values))


def changes(run_dir: Path, config: TrainerConfig) -> list[str]:
    """What is not as it was when a run began, and its bits may depend on."""
    before = json.loads((run_dir / "environment.json").read_text(encoding="utf-8"))
    return [
        f"{key} was {before.get(key)}, is {value}"
        for key, value in environment(config).items()
        if before.get(key) != value
    ]


def as_yaml(values: dict[str, Any]) -> str:
    """What config.yaml holds of a run with these redacted values."""
    return OmegaConf.to_yaml(OmegaConf.create(values))


def write_vocabulary(run_dir: Path, model: SequenceModel) -> None:
    """vocabulary.json: the tokens of inputs and targets, in the order of their ids."""
    spec = model.spec
    _write_json(
        run_dir / "vocabulary.json",
        {"input": list(spec.input_vocabulary), "target": list(spec.target_vocabulary)},
    )


def read_results(run_dir: Path) -> dict[str, Any] | None:
    """results.json; None of a run that has not finished."""
    path = run_dir / "results.json"
    if not path.is_file():
        return None
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); remove it to go on with the run") from error
    if not isinstance(results, dict):
        raise InputError(f"{path}: holds no results; remove it to go on with the run")
    return results


def write_results(run_dir: Path, results: dict[str, Any]) -> None:
    """results.json."""
    _write_json(run_dir / "results.json", results)


def write_report(run_dir: Path, model: SequenceModel) -> None:
    """confusion.csv (rows are the true classes) and accuracy_by_length.csv, where the model has them."""
    report, names = model.report(), model.spec.target_vocabulary
    if "confusion" in report:
        rows = [[name, *counts] for name, counts in zip(names, report["confusion"], strict=True)]
        _write_csv(run_dir / "confusion.csv", ["true \\ predicted", *names], rows)
    if "accuracy_by_length" in report:
        rows = [list(pair) for pair in report["accuracy_by_length"].items()]
        _write_csv(run_dir / "accuracy_by_length.csv", ["length", "accuracy"], rows)


def show_examples(run_dir: Path, model: SequenceModel, batch: SequenceBatch) -> None:
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
    _write_csv(run_dir / "examples.csv", columns, rows)
    loggers.log_table("test/examples", columns, rows)


def draw_pictures(run_dir: Path, model: SequenceModel, batch: SequenceBatch, one: SequenceBatch) -> None:
    """curves.png, and what else the model has to show of its test; on the dashboard too.

    `one` is a batch of one sequence, of which the hidden states are shown.
    """
    metrics_file = run_dir / loggers.METRICS_FILE
    if metrics_file.is_file():
        pictures.draw_curves(pictures.read_curves(metrics_file), str(run_dir), run_dir / "curves.png")
    maps = model.attention_maps(batch)
    if maps:
        pictures.draw_attention(maps[:3], run_dir / "attention.png")
    forecasts = model.forecasts(batch)
    if forecasts:
        pictures.draw_forecasts(forecasts[:4], run_dir / "forecasts.png")
    calls = _recorded(model, one)
    if calls:
        pictures.draw_hidden_states(calls, run_dir / "hidden_states.png")
    report = model.report()
    if "confusion" in report:
        names = model.spec.target_vocabulary
        pictures.draw_confusion(report["confusion"], names, run_dir / "confusion.png")
    if "accuracy_by_length" in report:
        by_length = report["accuracy_by_length"]
        pictures.draw_accuracy_by_length(by_length, run_dir / "accuracy_by_length.png")
    for picture in sorted(run_dir.glob("*.png")):
        loggers.log_image(f"pictures/{picture.stem}", picture)


def _recorded(model: SequenceModel, one: SequenceBatch) -> list[Call]:
    """What the recurrences do with a sequence, its targets given to a decoder."""
    if not any(isinstance(part, Recurrence) and part.num_layers > 0 for part in model.modules()):
        return []
    return record(lambda: model.loss(one), model, 0)


def _write_csv(path: Path, header: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def _write_json(path: Path, values: dict[str, Any]) -> None:
    safe_files.write(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
