"""Configs, models and batches as the program makes them, and a training step without Lightning."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from unroll.batch import SequenceBatch
from unroll.config.compose import CONF, check, compose
from unroll.config.root import TrainConfig, load
from unroll.data.module import build_data
from unroll.models.base import SequenceModel, build_model
from unroll.spec import PAD

ROOT = Path(__file__).parent.parent


def load_config(*overrides: str) -> TrainConfig:
    """What `python train.py OVERRIDES` would run."""
    return load(check(compose(overrides), CONF))


def make_model(settings: TrainConfig) -> SequenceModel:
    """The model of a config, from the same first weights each time, in train mode."""
    torch.manual_seed(settings.seed)
    spec = build_data(settings.data, settings.seed).spec
    return build_model(settings.model, spec, settings.optimizer, settings.scheduler).train()


def make_batches(settings: TrainConfig) -> list[SequenceBatch]:
    """The batches of a config's first epoch, all collated."""
    return list(build_data(settings.data, settings.seed).loader("train", shuffle=True))


def cross_entropy(model: nn.Module, batch: SequenceBatch, *options: float) -> torch.Tensor:
    """The loss of a batch: forward, with the model's further `options`, and cross-entropy per token."""
    assert batch.targets is not None
    logits, _ = model(batch, *options)
    return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=PAD)


def bare_step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: SequenceBatch) -> None:
    """A training step that is nothing but PyTorch."""
    optimizer.zero_grad()
    cross_entropy(model, batch).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def adam(model: nn.Module) -> torch.optim.Adam:
    """The optimizer of the default config."""
    return torch.optim.Adam(model.parameters(), lr=1e-3)
