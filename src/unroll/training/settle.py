"""Puts numbers in place of what a config leaves open, once the data are known. What is set stays."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from unroll.config import defaults, root
from unroll.config.components import RecurrentConfig
from unroll.config.root import TrainConfig, TrainerConfig
from unroll.data.module import SequenceDataModule
from unroll.data.readers.files_config import FilesConfig
from unroll.spec import Kind
from unroll.training import checkpoints
from unroll.training.environment import processes


@dataclasses.dataclass(frozen=True, slots=True)
class Settled:
    """A config that leaves nothing open, typed and as plain values.

    Attributes:
        chosen: the keys that were open, with what they are.
    """

    config: TrainConfig
    values: dict[str, Any]
    chosen: dict[str, Any]


def settle(values: dict[str, Any], data: SequenceDataModule) -> Settled:
    """Settle the values of a checked config by the size of its data. A settled config stays as it is."""
    config = root.load(values)
    trainer, steps = config.trainer, epoch_steps(config, data)
    open_ended = trainer.max_epochs is None and trainer.max_steps < 0
    length = defaults.length(steps)
    epochs = length.max_epochs if open_ended else math.ceil(trainer.max_steps / steps)
    every = length.validate_every if open_ended else defaults.USUAL_EPOCHS_PER_VALIDATION
    wanted = {
        "data.batch_size": data.batch_size,
        "optimizer.lr": _rate(config, data),
        "trainer.max_epochs": epochs,
        "trainer.validate_every": every,
        "trainer.log_every": defaults.log_every(steps, trainer.validate_every or every),
    }
    if isinstance(config.model, RecurrentConfig):
        wanted["model.dropout"] = _dropout(config, data)
    if open_ended:
        wanted |= {"trainer.max_minutes": defaults.MOST_MINUTES, "early_stopping.patience": defaults.PATIENCE}
    wanted["early_stopping.min_delta"] = defaults.MIN_DELTA if open_ended else 0.0
    chosen: dict[str, Any] = {}
    settled = {group: dict(value) if isinstance(value, dict) else value for group, value in values.items()}
    for path, value in wanted.items():
        group, key = path.split(".")
        if settled.setdefault(group, {}).get(key) is None:  # the config of an old run may lack a key
            settled[group][key] = chosen[path] = value
    if settled["scheduler"]["name"] == "auto":
        settled["scheduler"] = _schedule(config, open_ended=open_ended)
        chosen["scheduler"] = settled["scheduler"]["name"]
    return Settled(root.load(settled), settled, chosen)


def epoch_steps(config: TrainConfig, data: SequenceDataModule) -> int:
    """Steps of the optimizer in an epoch, with whole sequences."""
    return steps_of(config.trainer, len(data.splits["train"]), data.batch_size)


def steps_of(trainer: TrainerConfig, sequences: int, batch_size: int) -> int:
    """Steps of the optimizer in an epoch of so many whole sequences."""
    batches = math.ceil(sequences / (batch_size * processes(trainer)))
    return math.ceil(min(batches, trainer.limit_train_batches or batches) / trainer.accumulate)


def _rate(config: TrainConfig, data: SequenceDataModule) -> float:
    """Drawn data keep the usual rate: their sizes are chosen, and say little."""
    model = config.model
    if not isinstance(config.data, FilesConfig) or not isinstance(model, RecurrentConfig) or model.layers:
        return defaults.USUAL_RATE
    return defaults.rate(len(data.splits["train"]), model.cell.name)


def _dropout(config: TrainConfig, data: SequenceDataModule) -> float:
    """Drawn data keep the usual one, since more can be drawn."""
    if not isinstance(config.data, FilesConfig):
        return defaults.USUAL_DROPOUT
    signature = data.spec.signature
    texts = signature.inputs is Kind.TOKENS and signature.targets is Kind.CLASSES
    return defaults.dropout(len(data.splits["train"]), texts_with_classes=texts)


def _schedule(config: TrainConfig, *, open_ended: bool) -> dict[str, Any]:
    """The schedule of a run that sets none: that of the checkpoint that it goes on from, if there is one."""
    if config.ckpt_path is not None:
        saved = checkpoints.read(Path(config.ckpt_path)).get("hyper_parameters")
        if isinstance(saved, dict) and isinstance(saved.get("scheduler"), dict):
            return dict(saved["scheduler"])
    return dict(defaults.PLATEAU) if open_ended else {"name": "constant", "warmup": 0.0}
