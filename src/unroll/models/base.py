"""What every model shares: its optimizer, and the hyperparameters in its checkpoints."""

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from unroll.batch import SequenceBatch
from unroll.config.components import ModelConfig, OptimizerConfig, SchedulerConfig
from unroll.config.registry import build, from_dict, to_dict
from unroll.errors import InputError, NumericError
from unroll.models.finite import FiniteSteps
from unroll.models.size import resolve_size
from unroll.nn.attention.base import AttentionMap
from unroll.nn.optimizers.groups import as_saved, parameter_groups
from unroll.spec import DataSpec

log = logging.getLogger("unroll")


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence as a person reads it: the input, what the model makes of it, and what would be right.

    A `graded` prediction is right or wrong; a value is only near or far.
    """

    inputs: str
    predicted: str
    targets: list[str]
    graded: bool = True

    @property
    def right(self) -> bool:
        """Whether the prediction is one of the targets."""
        return self.predicted in self.targets


@dataclass(frozen=True, slots=True)
class Forecast:
    """One feature: as it was known, as it went on from step `start`, and as was forecast."""

    known: list[float]
    start: int
    true: list[float]
    predicted: list[float]
    naive: list[float]


class SequenceModel(pl.LightningModule, ABC):
    """A LightningModule that is built from configs and a DataSpec, and can be rebuilt from a checkpoint.

    Attributes:
        finite_steps: what looks at every step of training before it is taken.
        saved_groups: the optimizer's groups of parameters in the checkpoint that training goes on from.
        monitor: the metric of the best checkpoint and of early stopping, and whether "min" or "max" is best.
    """

    monitor: tuple[str, Literal["min", "max"]] = ("valid/loss", "min")

    optimizer_config: OptimizerConfig
    scheduler_config: SchedulerConfig
    finite_steps: FiniteSteps

    def __init__(self, config: ModelConfig, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec
        self.saved_groups: list[dict[str, Any]] | None = None
        self.save_hyperparameters({"model": to_dict(config), "spec": spec.to_dict()}, logger=False)

    def learn_by(
        self, optimizer: OptimizerConfig, scheduler: SchedulerConfig, finite_steps: FiniteSteps
    ) -> None:
        """Say how the weights are moved; `build_model` does, once the model is made."""
        self.optimizer_config = optimizer
        self.scheduler_config = scheduler
        self.finite_steps = finite_steps
        plain = {"optimizer": to_dict(optimizer), "scheduler": to_dict(scheduler)}
        self.save_hyperparameters(plain, logger=False)

    @abstractmethod
    def loss(self, batch: SequenceBatch) -> Tensor:
        """What training makes smaller, of one batch; it needs no trainer."""

    @abstractmethod
    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Count a batch into the metrics."""

    @abstractmethod
    def predict_step(self, batch: SequenceBatch, batch_idx: int = 0) -> list[Any]:
        """A prediction for each sequence of a batch, from its inputs alone.

        Text of tokens; probabilities (C,) of classes or labels, or values (O,), as an array; or an array
        (T, C) or (T, O) with a row for each step.
        """

    def require_truncatable(self, steps: int) -> None:
        """Raise an `InputError` unless it can learn from segments of `steps` steps, one after another."""
        raise InputError(
            f"trainer.truncate_steps={steps}: needs a target for each step, and those of model "
            f"{self.hparams['model']['name']} are {self.spec.signature.alignment.value}; set it to null"
        )

    def training_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.finite_steps.saw(batch, loss)
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if (self.global_step + 1) % every == 0:  # in other steps it would cost and be lost
            self.log("train/loss", loss, batch_size=len(batch))
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        left_out = self.finite_steps.clip(self.parameters(), gradient_clip_val, self.global_step + 1)
        if left_out:
            log.warning("step left out: %s", left_out)

    def examples(self, batch: SequenceBatch) -> list[Example]:
        """The sequences of a batch with their predictions, for a table; none by default."""
        return []

    def attention_maps(self, batch: SequenceBatch) -> list[AttentionMap]:
        """Attention while the model decodes the sequences of a batch; none by default."""
        return []

    def forecasts(self, batch: SequenceBatch) -> list[Forecast]:
        """Forecasts of the sequences of a batch, beside the truth; none by default."""
        return []

    def report(self) -> dict[str, Any]:
        """What there is to show of the last test besides its metrics; nothing by default."""
        return {}

    def require_finite(self, name: str, loss: Tensor) -> None:
        """Raise a `NumericError` where a loss is NaN or infinite."""
        if not loss.isfinite():
            raise NumericError(
                f"{name}={loss.item()} at step {self.global_step}: the run has diverged; "
                f"try a smaller optimizer.lr={self.optimizer_config.lr} or trainer.gradient_clip"
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.saved_groups = checkpoint["optimizer_states"][0]["param_groups"]

    def configure_optimizers(self) -> Any:
        """The optimizer and schedule that the config names."""
        groups = parameter_groups(self, self.optimizer_config)
        if self.saved_groups is not None:
            groups = as_saved(self, self.optimizer_config, self.saved_groups)
        optimizer = build(self.optimizer_config, groups)
        metric, mode = self.monitor
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = build(self.scheduler_config, optimizer, steps, mode)
        if isinstance(scheduler, ReduceLROnPlateau):
            every = self.trainer.check_val_every_n_epoch
            plan = {"scheduler": scheduler, "monitor": metric, "interval": "epoch", "frequency": every}
            return {"optimizer": optimizer, "lr_scheduler": plan}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def build_model(
    config: ModelConfig,
    spec: DataSpec,
    optimizer: OptimizerConfig,
    scheduler: SchedulerConfig,
    finite_steps: FiniteSteps | None = None,
) -> SequenceModel:
    """The LightningModule that a config names; its own holds the hidden size that `parameters` stands for.

    Without `finite_steps`, a step that is not finite ends the training.
    """

    def make(config: ModelConfig) -> SequenceModel:
        model = build(config, spec)
        assert isinstance(model, SequenceModel)
        return model

    model = make(resolve_size(config, make))
    model.learn_by(optimizer, scheduler, finite_steps or FiniteSteps())
    return model


def load_model(checkpoint: dict[str, Any], source: str) -> SequenceModel:
    """Rebuild a model from what a checkpoint or an export holds, with its weights, in eval mode.

    Somebody may have made it up: no more memory is taken than its tensors take already.

    Raises:
        InputError: the checkpoint is not one of Unroll's; the message names `source`.
    """
    try:
        plain, weights = checkpoint["hyper_parameters"], checkpoint["state_dict"]
        configs = (
            from_dict("model", plain["model"]),
            DataSpec.from_dict(plain["spec"]),
            from_dict("optimizer", plain["optimizer"]),
            from_dict("scheduler", plain["scheduler"]),
        )
        with torch.device("meta"):
            _require_weights(build_model(*configs), weights)
        model = build_model(*configs)
        with torch.no_grad():
            model.load_state_dict(weights)
    except Exception as error:  # whatever it is that was made up
        reason = next(iter(str(error).splitlines()), repr(error))
        raise InputError(
            f"{source}: not a checkpoint of Unroll ({reason}); give one that a run has written"
        ) from error
    return model.eval()


def _require_weights(model: SequenceModel, weights: dict[str, Tensor]) -> None:
    """Raise a `ValueError` unless the tensors are as many and large as the model's, and finite."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in {**wanted, **found}:
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{name}: is {found.get(name)}, where the model has {wanted.get(name)}")
    stored = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in weights.values()}
    if sum(tensor.nbytes for tensor in weights.values()) > sum(part.nbytes() for part in stored.values()):
        raise ValueError("some tensors are views of the same numbers")
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name}: holds NaN or infinity")
