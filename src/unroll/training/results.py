"""What a run leaves behind besides its checkpoints: the record of what was run, and what came of it."""

import csv
import json
import logging
import platform
import shlex
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from unroll.batch import SequenceBatch
from unroll.errors import InputError
from unroll.models.base import SequenceModel
from unroll.training import loggers, pictures

log = logging.getLogger("unroll")

PACKAGES = ("torch", "lightning", "hydra-core", "omegaconf", "wandb", "torchmetrics", "numpy")


def make_run_dir(wanted: Path) -> Path:
    """Make a run's folder; if there is one of that name already, another with -2, -3 … behind it."""
    number = 1
    while True:
        run_dir = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            run_dir.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise InputError(f"run_dir={wanted}: cannot be made ({error.strerror}); name another") from error
        else:
            return run_dir


def write_record(run_dir: Path, values: dict[str, Any]) -> None:
    """config.yaml, command.txt and environment.json: what was run, and on what."""
    (run_dir / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(values)), encoding="utf-8")
    (run_dir / "command.txt").write_text(shlex.join(["python", *sys.argv]) + "\n", encoding="utf-8")
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {package: version(package) for package in PACKAGES},
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    _write_json(run_dir / "environment.json", environment)


def write_vocabulary(run_dir: Path, model: SequenceModel) -> None:
    """vocabulary.json: the tokens of inputs and targets, in the order of their ids."""
    spec = model.spec
    _write_json(
        run_dir / "vocabulary.json",
        {"input": list(spec.input_vocabulary), "target": list(spec.target_vocabulary)},
    )


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


def show_examples(model: SequenceModel, batch: SequenceBatch) -> None:
    """Print a batch's sequences with their predictions, and put them on the dashboard."""
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
    loggers.log_table("test/examples", ["input", "predicted", "target", "right"], rows)


def draw_pictures(run_dir: Path, model: SequenceModel, batch: SequenceBatch) -> None:
    """curves.png, and what else the model has to show of its test; on the dashboard too."""
    metrics_file = run_dir / loggers.METRICS_FILE
    if metrics_file.is_file():
        pictures.draw_curves(pictures.read_curves(metrics_file), str(run_dir), run_dir / "curves.png")
    maps = model.attention_maps(batch)
    if maps:
        pictures.draw_attention(maps[:3], run_dir / "attention.png")
    forecasts = model.forecasts(batch)
    if forecasts:
        pictures.draw_forecasts(forecasts[:4], run_dir / "forecasts.png")
    report = model.report()
    if "confusion" in report:
        names = model.spec.target_vocabulary
        pictures.draw_confusion(report["confusion"], names, run_dir / "confusion.png")
    if "accuracy_by_length" in report:
        by_length = report["accuracy_by_length"]
        pictures.draw_accuracy_by_length(by_length, run_dir / "accuracy_by_length.png")
    for picture in sorted(run_dir.glob("*.png")):
        loggers.log_image(f"pictures/{picture.stem}", picture)


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
