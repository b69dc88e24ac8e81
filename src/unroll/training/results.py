"""What a run leaves behind besides its checkpoints: the record of what was run, and what came of it."""

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


def show_examples(model: SequenceModel, batch: SequenceBatch) -> None:
    """Print a batch's sequences with their predictions, and put them on the dashboard."""
    examples = model.examples(batch)
    if not examples:
        return
    width = max(len(example.inputs) for example in examples)
    log.info("\ntest sequences, and what the model makes of them")
    for example in examples:
        verdict = "right" if example.right else f"wrong: {' or '.join(example.targets)}"
        log.info("  %s  →  %s   (%s)", example.inputs.ljust(width), example.predicted, verdict)
    rows: list[Iterable[Any]] = [[e.inputs, e.predicted, " | ".join(e.targets), e.right] for e in examples]
    loggers.log_table("test/examples", ["input", "predicted", "target", "right"], rows)


def draw_pictures(run_dir: Path, model: SequenceModel, batch: SequenceBatch) -> None:
    """curves.png and, where there is attention, attention.png; on the dashboard too."""
    metrics_file = run_dir / loggers.METRICS_FILE
    if metrics_file.is_file():
        pictures.draw_curves(pictures.read_curves(metrics_file), str(run_dir), run_dir / "curves.png")
    maps = model.attention_maps(batch)
    if maps:
        pictures.draw_attention(maps[:3], run_dir / "attention.png")
    for picture in sorted(run_dir.glob("*.png")):
        loggers.log_image(f"pictures/{picture.stem}", picture)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
