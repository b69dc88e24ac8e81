"""The kinds of target: each has its loss, its metrics, its predictions and its text."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from unroll.models.measure import Form, Measure
from unroll.models.target_metrics import ClassMetrics, LabelMetrics, TargetMetrics, ValueMetrics
from unroll.nn.scaling import Scaling, digits
from unroll.spec import DataSpec, Kind

MOST_SHOWN_VALUES = 6
MOST_SHOWN_STEPS = 30
"""Texts of values or steps are cut after this many."""


class Target(nn.Module, ABC):
    """One kind of target. Outputs and targets are rows, a row being a sequence or a valid step."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec

    @abstractmethod
    def loss(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, ""]:
        """The mean loss of the rows."""

    @abstractmethod
    def metrics(self, *, full: bool = True) -> TargetMetrics:
        """New metrics, with nothing counted: all of them, or those that cost little."""

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """The metric by which a model is compared with a baseline."""

    @abstractmethod
    def errors(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, " rows"]:
        """The error of each row, from which `measure` follows."""

    @abstractmethod
    def predict(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows outputs"]:
        """Probabilities of classes or labels, or values in the data's units."""

    @abstractmethod
    def text(self, row: Sequence[float] | int) -> str:
        """A prediction (a row of `predict`) or a target as text."""


class ClassTarget(Target):
    """One of several classes; cross-entropy."""

    def loss(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, ""]:
        return F.cross_entropy(outputs, targets)

    def metrics(self, *, full: bool = True) -> TargetMetrics:
        return ClassMetrics(self.spec, full=full)

    @property
    def measure(self) -> Measure:
        return Measure("accuracy", Form.RIGHT)

    def errors(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, " rows"]:
        return (outputs.argmax(dim=-1) != targets).float()

    def predict(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows outputs"]:
        return outputs.float().softmax(dim=-1)

    def text(self, row: Sequence[float] | int) -> str:
        if isinstance(row, int):
            return self.spec.target_vocabulary[row] if row >= 0 else ""
        return self.spec.target_vocabulary[max(range(len(row)), key=row.__getitem__)]


class LabelTarget(Target):
    """Several labels that each apply or not; binary cross-entropy, the mean over labels."""

    def loss(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, ""]:
        return F.binary_cross_entropy_with_logits(outputs, targets)

    def metrics(self, *, full: bool = True) -> TargetMetrics:
        return LabelMetrics(self.spec.target_size)

    @property
    def measure(self) -> Measure:
        return Measure("loss", Form.MEAN)

    def errors(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, " rows"]:
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(dim=-1)

    def predict(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows outputs"]:
        return outputs.float().sigmoid()

    def text(self, row: Sequence[float] | int) -> str:
        assert not isinstance(row, int)
        names = self.spec.target_vocabulary
        return "+".join(name for name, value in zip(names, row, strict=True) if value > 0.5) or "-"


class ValueTarget(Target):
    """Values; mean squared error after scaling, so that features in large units do not dominate."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.scaling = Scaling.of_targets(spec)
        self.digits = 4
        if spec.centered:
            both = zip(spec.target_mean, spec.target_std, strict=True)
            self.digits = max(digits(mean, std, self.digits) for mean, std in both)

    def loss(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, ""]:
        return F.mse_loss(outputs, self.scaling(targets))

    def metrics(self, *, full: bool = True) -> TargetMetrics:
        return ValueMetrics(self.scaling, self.spec.naive_error, self.spec.target_names)

    @property
    def measure(self) -> Measure:
        return Measure("mae", Form.MEAN) if self.spec.target_inputs else Measure("rmse", Form.ROOT)

    def errors(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, " rows"]:
        distance = self.scaling.inverse(outputs) - targets
        each = distance.abs() if self.measure.form is Form.MEAN else distance.square()
        return each.mean(dim=-1)

    def predict(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows outputs"]:
        values: Tensor = self.scaling.absolute(self.scaling.inverse(outputs.float()))
        return values

    def text(self, row: Sequence[float] | int) -> str:
        assert not isinstance(row, int)
        return shortened([f"{value:.{self.digits}g}" for value in row], MOST_SHOWN_VALUES)


def shortened(parts: Sequence[str], most: int) -> str:
    """The first `most` parts of a text, joined by spaces, with an ellipsis if there are more."""
    return " ".join(parts[:most]) + (" …" if len(parts) > most else "")


_TARGETS: dict[Kind, Callable[[DataSpec], Target]] = {
    Kind.CLASSES: ClassTarget,
    Kind.LABELS: LabelTarget,
    Kind.CONTINUOUS: ValueTarget,
}


def build_target(spec: DataSpec) -> Target:
    """The target of a data set whose targets are classes, labels or values."""
    return _TARGETS[spec.signature.targets](spec)
