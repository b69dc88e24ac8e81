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
from unroll.models.measure import ErrorsBySequence, Measure
from unroll.models.size import resolve_size
from unroll.models.step_form import require_step_forms
from unroll.nn.attention.base import AttentionMap
from unroll.nn.optimizers.groups import as_saved, parameter_groups
from unroll.spec import DataSpec

log = logging.getLogger("unroll")


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence as text: the input, the prediction, and the targets.

    A `graded` prediction is right or wrong; a predicted value is only near or far.
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
    """One feature: its known values, and from step `start` on the true, predicted and naive values.

    `index` is the number of the sample in its split. `band` are the lowest and highest quantiles that the
    model writes, and the share of true values that lie between, if it writes any.
    """

    known: list[float]
    start: int
    true: list[float]
    predicted: list[float]
    naive: list[float]
    index: int
    band: tuple[list[float], list[float], float] | None = None


class SequenceModel(pl.LightningModule, ABC):
    """A LightningModule that is built from configs and a DataSpec, and can be rebuilt from a checkpoint.

    Attributes:
        finite_steps: checks the loss and the gradients of every training step before it is taken.
        saved_groups: the optimizer's parameter groups in the checkpoint that training resumes from.
        monitor: the metric of the best checkpoint and of early stopping, and whether "min" or "max" is best.
        measure: the metric by which the model is compared with a baseline.
        errors: the errors of each sequence of the last test, from which `measure` follows.
        schedule_steps: the steps over which the schedule of the rate stretches; None is as many as there are.
    """

    monitor: tuple[str, Literal["min", "max"]] = ("valid/loss", "min")

    optimizer_config: OptimizerConfig
    scheduler_config: SchedulerConfig
    finite_steps: FiniteSteps
    measure: Measure
    errors: ErrorsBySequence
    schedule_steps: int | None = None

    def __init__(self, config: ModelConfig, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec
        self.saved_groups: list[dict[str, Any]] | None = None
        self.save_hyperparameters({"model": to_dict(config), "spec": spec.to_dict()}, logger=False)

    def learn_by(
        self, optimizer: OptimizerConfig, scheduler: SchedulerConfig, finite_steps: FiniteSteps
    ) -> None:
        """Set how the weights are trained. `build_model` calls this once the model is built."""
        self.optimizer_config = optimizer
        self.scheduler_config = scheduler
        self.finite_steps = finite_steps
        plain = {"optimizer": to_dict(optimizer), "scheduler": to_dict(scheduler)}
        self.save_hyperparameters(plain, logger=False)

    @abstractmethod
    def loss(self, batch: SequenceBatch) -> Tensor:
        """The loss of one batch, which training minimises; it needs no trainer."""

    @abstractmethod
    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Add a batch to the metrics."""

    @abstractmethod
    def predict_step(self, batch: SequenceBatch, batch_idx: int = 0) -> list[Any]:
        """A prediction for each sequence of a batch, from its inputs alone.

        A prediction is a text of tokens, or an array: probabilities (C,) of classes or labels, values (O,),
        or one such row for each step, (T, C) or (T, O).
        """

    def require_truncatable(self, steps: int) -> None:
        """Raise an `InputError` unless the model can learn from consecutive segments of `steps` steps."""
        raise InputError(
            f"trainer.truncate_steps={steps}: needs a target for each step, but the targets of model "
            f"{self.hparams['model']['name']} are {self.spec.signature.alignment.value}; set it to null"
        )

    def training_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        gradient_of = self.finite_steps.note(batch, loss)
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if (self.global_step + 1) % every == 0:  # at other steps logging would cost time and be dropped
            self.log("train/loss", loss, batch_size=len(batch))
        return gradient_of

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        left_out = self.finite_steps.clip(self.parameters(), gradient_clip_val, self.global_step + 1)
        if left_out and self.global_rank == 0:  # the message is that of all processes
            log.warning("step left out: %s", left_out)

    def on_validation_start(self) -> None:
        self.finite_steps.settle()

    def on_train_end(self) -> None:
        self.finite_steps.settle()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.finite_steps.settle()  # if it raises, no file is written

    def examples(self, batch: SequenceBatch) -> list[Example]:
        """The sequences of a batch with their predictions, for a table. Empty by default."""
        return []

    def attention_maps(self, batch: SequenceBatch) -> list[AttentionMap]:
        """The attention with which the model decodes the sequences of a batch. Empty by default."""
        return []

    def forecasts(self, batch: SequenceBatch) -> list[Forecast]:
        """Forecasts for the sequences of a batch, beside the true values. Empty by default."""
        return []

    def take_calibration(self, weights: dict[str, Tensor]) -> None:
        """Take what the validation of another run has calibrated, from its state dict. Nothing by default."""

    def on_test_start(self) -> None:
        self.errors.reset()

    def test_details(self) -> dict[str, Any]:
        """What the last test found besides its metrics, as plain values. Empty by default."""
        return {}

    def require_finite(self, name: str, loss: Tensor) -> None:
        """Raise a `NumericError` if a loss is NaN or infinite."""
        if not loss.isfinite():
            raise NumericError(
                f"{name}={loss.item()} at step {self.global_step}: the run has diverged; "
                f"try a smaller optimizer.lr={self.optimizer_config.rate} or trainer.gradient_clip"
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.saved_groups = checkpoint["optimizer_states"][0]["param_groups"]

    def configure_optimizers(self) -> Any:
        """The optimizer and the schedule of the config."""
        groups = parameter_groups(self, self.optimizer_config)
        if self.saved_groups is not None:
            groups = as_saved(self, self.optimizer_config, self.saved_groups)
        optimizer = build(self.optimizer_config, groups)
        metric, mode = self.monitor
        steps = self.schedule_steps or int(self.trainer.estimated_stepping_batches)
        scheduler = build(self.scheduler_config, optimizer, steps, mode)
        if isinstance(scheduler, ReduceLROnPlateau):
            plan = {"scheduler": scheduler, "monitor": metric, **self._validations()}
            return {"optimizer": optimizer, "lr_scheduler": plan}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _validations(self) -> dict[str, Any]:
        """When validations are, as Lightning has it for schedules that step after each."""
        trainer = self.trainer
        if trainer.val_check_interval == 1.0:
            return {"interval": "epoch", "frequency": trainer.check_val_every_n_epoch}
        return {"interval": "step", "frequency": trainer.val_check_batch}


def build_model(
    config: ModelConfig,
    spec: DataSpec,
    optimizer: OptimizerConfig,
    scheduler: SchedulerConfig,
    finite_steps: FiniteSteps | None = None,
) -> SequenceModel:
    """The LightningModule of a config. `parameters` in the config becomes the hidden size that fits it.

    Without `finite_steps`, a step whose loss or gradient is not finite ends the training.

    Raises:
        InputError: no size keeps to the config's budget, or the file of a cell is wrong.
    """

    def make(config: ModelConfig) -> SequenceModel:
        model = build(config, spec)
        assert isinstance(model, SequenceModel)
        return model

    model = make(resolve_size(config, make))
    require_step_forms(model)
    model.learn_by(optimizer, scheduler, finite_steps or FiniteSteps())
    return model


def load_model(checkpoint: dict[str, Any], source: str) -> SequenceModel:
    """Rebuild a model, with its weights, from the content of a checkpoint or an export, in eval mode.

    The content may be forged: the model takes no more memory than the tensors of the content do.

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
    except Exception as error:  # a forged file can fail anywhere
        reason = next(iter(str(error).splitlines()), repr(error))
        raise InputError(
            f"{source}: not a checkpoint of Unroll ({reason}); give one that a run has written"
        ) from error
    return model.eval()


def _require_weights(model: SequenceModel, weights: dict[str, Tensor]) -> None:
    """Raise a `ValueError` unless the tensors have the names and shapes of the model's, and are finite."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in {**wanted, **found}:
        if wanted.get(name) != found.get(name):
            raise ValueError(f"{name}: is {found.get(name)}, but the model has {wanted.get(name)}")
    stored = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in weights.values()}
    if sum(tensor.nbytes for tensor in weights.values()) > sum(part.nbytes() for part in stored.values()):
        raise ValueError("some tensors are views of the same numbers")
    kinds = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    for name, tensor in weights.items():
        if not bool(tensor.to(kinds[name]).isfinite().all()):  # 1e300 is infinite where the model has float32
            raise ValueError(f"{name}: holds NaN or infinity, or too large a number for {kinds[name]}")
