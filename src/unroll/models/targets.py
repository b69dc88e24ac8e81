"""The kinds of target: each has its loss, its metrics, its predictions and its text."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from unroll.models.measure import Form, Measure
from unroll.models.target_metrics import ClassMetrics, LabelMetrics, TargetMetrics, ValueMetrics
from unroll.nn.quantiles import Quantiles, in_units_of_data
from unroll.nn.scaling import Scaling, digits
from unroll.spec import Alignment, DataSpec, Kind

MOST_SHOWN_VALUES = 6
MOST_SHOWN_STEPS = 30
"""Texts of values or steps are cut after this many."""


class Target(nn.Module, ABC):
    """One kind of target. Outputs and targets are rows, a row being a sequence or a valid step."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.spec = spec

    @property
    def output_size(self) -> int:
        """How many outputs a row has."""
        return self.spec.target_size

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
    """Values, scaled so that those in large units do not dominate; mean squared error, or pinball loss.

    With `levels`, outputs are quantiles of each value; the value that is predicted is the median.
    """

    def __init__(self, spec: DataSpec, levels: tuple[float, ...] = ()) -> None:
        super().__init__(spec)
        self.scaling = Scaling.of_targets(spec)
        self.quantiles: Quantiles | None = None
        if levels:
            by_step = spec.signature.alignment is Alignment.UNALIGNED and bool(spec.target_inputs)
            self.quantiles = Quantiles(levels, spec.horizon if by_step else 1, spec.target_size)
        self.digits = 4
        if spec.centered:
            both = zip(spec.target_mean, spec.target_std, strict=True)
            self.digits = max(digits(mean, std, self.digits) for mean, std in both)

    @property
    def output_size(self) -> int:
        return self.spec.target_size * (len(self.quantiles) if self.quantiles else 1)

    def point(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows values"]:
        """The values that outputs predict, scaled. Those without quantiles are values themselves."""
        if self.quantiles is None or outputs.shape[-1] == self.spec.target_size:
            return outputs
        median: Tensor = self.quantiles.median(outputs)
        return median

    def loss(
        self,
        outputs: Float[Tensor, "rows outputs"],
        targets: Tensor,
        unit: Float[Tensor, "rows values"] | None = None,
    ) -> Float[Tensor, ""]:
        """The mean loss of the rows, in units of their own if they have some."""
        scaled = self.scaling(targets)
        if self.quantiles is not None:
            found = self.quantiles.loss(outputs, scaled)
            return (found if unit is None else found / unit[..., None]).mean()
        if unit is None:
            return F.mse_loss(outputs, scaled)
        return F.mse_loss(outputs / unit, scaled / unit)

    def metrics(self, *, full: bool = True) -> TargetMetrics:
        levels = () if self.quantiles is None else self.quantiles.levels
        return ValueMetrics(self.scaling, self.spec.target_names, levels)

    @property
    def measure(self) -> Measure:
        return Measure("mae", Form.MEAN) if self.spec.target_inputs else Measure("rmse", Form.ROOT)

    def errors(self, outputs: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, " rows"]:
        distance = self.scaling.inverse(self.point(outputs)) - targets
        each = distance.abs() if self.measure.form is Form.MEAN else distance.square()
        return each.mean(dim=-1)

    def predict(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows values"]:
        values: Tensor = self.scaling.absolute(self.scaling.inverse(self.point(outputs.float())))
        return values

    def predict_quantiles(
        self, outputs: Float[Tensor, "*rows outputs"]
    ) -> Float[Tensor, "*rows values quantiles"]:
        """The quantiles of each value in the data's units. The model must have some."""
        assert self.quantiles is not None
        return in_units_of_data(self.quantiles.split(outputs.float()), self.scaling)

    def text(self, row: Sequence[float] | int) -> str:
        assert not isinstance(row, int)
        return shortened([f"{value:.{self.digits}g}" for value in row], MOST_SHOWN_VALUES)


def shortened(parts: Sequence[str], most: int) -> str:
    """The first `most` parts of a text, joined by spaces, with an ellipsis if there are more."""
    return " ".join(parts[:most]) + (" …" if len(parts) > most else "")


def build_target(spec: DataSpec, levels: tuple[float, ...] = ()) -> Target:
    """The target of a data set whose targets are classes, labels or values; these with such quantiles."""
    kinds: dict[Kind, Callable[[DataSpec], Target]] = {Kind.CLASSES: ClassTarget, Kind.LABELS: LabelTarget}
    kind = spec.signature.targets
    return kinds[kind](spec) if kind in kinds else ValueTarget(spec, levels)
