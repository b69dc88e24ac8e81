"""Metrics for each kind of target, correct for uneven batches and several processes."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchmetrics import (
    MeanAbsoluteError,
    MeanMetric,
    MeanSquaredError,
    Metric,
    R2Score,
    SymmetricMeanAbsolutePercentageError,
)
from torchmetrics.classification import BinaryF1Score, MulticlassConfusionMatrix, MultilabelF1Score

from unroll.models.class_metrics import F1AndRecall, RocAuc
from unroll.models.quantile_scores import QuantileScores
from unroll.models.spans import SpanScores, are_bio
from unroll.nn.quantiles import by_quantile, in_units_of_data
from unroll.nn.scaling import Scaling
from unroll.spec import Alignment, DataSpec

MOST_CONFUSION_CLASSES = 200
"""With more classes there is no confusion matrix, which nobody could read, and no ROC AUC."""


CONSTANT = 1e-4
"""A sum of squares of scaled values below which torchmetrics takes it for 0. R² of constants is 0, or 1."""


class TargetMetrics(nn.Module, ABC):
    """The metrics of one stage over rows, a row being a sequence or a valid step; and the mean loss."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = MeanMetric()

    @abstractmethod
    def update(
        self,
        outputs: Float[Tensor, "rows outputs"],
        targets: Tensor,
        lengths: Int[Tensor, " rows"],
        sequence: Int[Tensor, " rows"] | None = None,
    ) -> None:
        """Add rows, each with the length of its sequence.

        `sequence` tells which rows are steps of one sequence; None if a row is a whole one.
        """

    @abstractmethod
    def values(self) -> dict[str, Tensor]:
        """The metrics by name."""

    def details(self) -> dict[str, Any]:
        """What the metrics know about the rows besides `values`, as plain values."""
        return {}

    def compute(self) -> dict[str, Tensor]:
        """The mean loss and the metrics over all rows of all processes."""
        return {"loss": self.loss.compute(), **self.values()}

    def reset(self) -> None:
        """Forget all rows."""
        for module in self.modules():
            if isinstance(module, Metric):
                module.reset()


class LengthAccuracy(Metric):
    """The mean over lengths of the accuracy at each: the score of Delétang et al. 2023.

    Every length counts the same, however many sequences or steps it has.
    """

    full_state_update = False
    counts: list[Tensor] | Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", [], dist_reduce_fx="cat")

    def update(self, right: Tensor, lengths: Int[Tensor, " rows"]) -> None:
        """Add rows, each right or wrong."""
        known, index = torch.unique(lengths, return_inverse=True)
        total = torch.bincount(index, minlength=len(known))
        correct = torch.bincount(index[right], minlength=len(known))
        assert isinstance(self.counts, list)
        self.counts.append(torch.stack([known, correct, total], dim=1))

    def by_length(self) -> dict[int, tuple[float, int]]:
        """For each length seen, the accuracy and the number of rows that it rests on."""
        counts = torch.cat(self.counts) if isinstance(self.counts, list) else self.counts
        sums: dict[int, list[int]] = {}
        for length, correct, total in counts.tolist():
            both = sums.setdefault(length, [0, 0])
            both[0] += correct
            both[1] += total
        return {length: (correct / total, total) for length, (correct, total) in sorted(sums.items())}

    def compute(self) -> Tensor:
        """The mean over lengths."""
        accuracies = [accuracy for accuracy, _ in self.by_length().values()]
        return torch.tensor(sum(accuracies) / len(accuracies))


class ClassMetrics(TargetMetrics):
    """Accuracy, balanced accuracy, macro F1 and the confusion matrix.

    If lengths differ, also the accuracy by length. In a test (`full`), also ROC AUC, and the scores of spans
    if the classes are their tags.
    """

    def __init__(self, spec: DataSpec, *, full: bool) -> None:
        super().__init__()
        classes, few = spec.target_size, spec.target_size <= MOST_CONFUSION_CLASSES
        tags = spec.signature.alignment is Alignment.STEP and are_bio(spec.target_vocabulary)
        self.accuracy = MeanMetric()
        self.f1_and_recall = F1AndRecall(classes)
        self.confusion = MulticlassConfusionMatrix(classes) if few else None
        self.by_length = LengthAccuracy() if spec.length == 0 else None
        self.auc = RocAuc(classes) if full and few else None
        self.spans = SpanScores(spec.target_vocabulary) if full and tags else None

    def update(
        self,
        outputs: Float[Tensor, "rows outputs"],
        targets: Tensor,
        lengths: Int[Tensor, " rows"],
        sequence: Int[Tensor, " rows"] | None = None,
    ) -> None:
        best = outputs.argmax(dim=-1)
        self.accuracy.update((best == targets).float())
        self.f1_and_recall.update(best, targets)
        if self.confusion is not None:
            self.confusion.update(best, targets)
        if self.auc is not None:
            self.auc.update(outputs.softmax(dim=-1), targets)
        if self.spans is not None and sequence is not None:
            self.spans.update(best, targets, sequence)
        if self.by_length is not None:
            self.by_length.update(best == targets, lengths)

    def values(self) -> dict[str, Tensor]:
        f1, recall = self.f1_and_recall.compute()
        values = {"accuracy": self.accuracy.compute(), "f1": f1, "balanced_accuracy": recall}
        if self.by_length is not None:
            values["length_accuracy"] = self.by_length.compute()
        if self.auc is not None:
            values["roc_auc"] = self.auc.compute()
        if self.spans is not None:
            names = ("span_precision", "span_recall", "span_f1")
            values.update(zip(names, self.spans.compute(), strict=True))
        return values

    def details(self) -> dict[str, Any]:
        details: dict[str, Any] = {}
        if self.confusion is not None:
            details["confusion"] = self.confusion.compute().tolist()
        if self.by_length is not None:
            with self.by_length.sync_context():
                details["accuracy_by_length"] = self.by_length.by_length()
        return details


class LabelMetrics(TargetMetrics):
    """Micro and macro F1 of labels, accuracy over single labels, the share of completely right rows, and the
    negative log-likelihood of a row: the sum over its labels, of which the loss is the mean."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.accuracy = MeanMetric()
        self.exact = MeanMetric()
        self.nll = MeanMetric()
        self.micro_f1 = BinaryF1Score()
        self.f1 = MultilabelF1Score(labels, average="macro") if labels > 1 else BinaryF1Score()

    def update(
        self,
        outputs: Float[Tensor, "rows outputs"],
        targets: Tensor,
        lengths: Int[Tensor, " rows"],
        sequence: Int[Tensor, " rows"] | None = None,
    ) -> None:
        found, true = (outputs > 0).long(), targets.long()
        right = found == true
        self.accuracy.update(right.float())
        self.exact.update(right.all(dim=-1).float())
        each = F.binary_cross_entropy_with_logits(outputs, targets.float(), reduction="none")
        self.nll.update(each.sum(dim=-1))
        self.micro_f1.update(found.flatten(), true.flatten())
        self.f1.update(found, true)

    def values(self) -> dict[str, Tensor]:
        return {
            "accuracy": self.accuracy.compute(),
            "f1": self.f1.compute(),
            "micro_f1": self.micro_f1.compute(),
            "exact_match": self.exact.compute(),
            "nll": self.nll.compute(),
        }


class Determination(R2Score):
    """R² of each output, and of all together; NaN of fewer than two rows, for which it is not defined.

    Together it is 1 - the squared errors of all outputs / the squared distances of all from their means, as
    scikit-learn has it with `multioutput="variance_weighted"`.
    """

    def __init__(self) -> None:
        super().__init__(multioutput="raw_values")

    def compute(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """R² of all rows of all processes: by output, and pooled."""
        if self.total < 2:
            return torch.full_like(self.residual, torch.nan), torch.tensor(torch.nan)
        each: Tensor = super().compute()
        missed = self.residual.sum()
        spread = (self.sum_squared_error - self.sum_error.square() / self.total).sum()
        if spread < CONSTANT:
            return each, (missed < CONSTANT).float()
        return each, 1 - missed / spread


class ValueMetrics(TargetMetrics):
    """MAE, RMSE and sMAPE in the data's units, and R² (the mean over outputs, and pooled).

    Errors are counted in `scaling.unit`: the square of one may be beyond float32. A unit that is a power of
    two changes no bit.
    """

    def __init__(self, scaling: Scaling, names: tuple[str, ...] = (), levels: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.scaling = scaling
        outputs = scaling.mean.numel()
        self.names = names or tuple(str(number + 1) for number in range(outputs))
        self.mae = MeanAbsoluteError(num_outputs=outputs)
        self.rmse = MeanSquaredError(squared=False)
        self.smape = SymmetricMeanAbsolutePercentageError()
        self.r2 = Determination()
        self.quantiles = QuantileScores(levels) if levels else None

    def update(
        self,
        outputs: Float[Tensor, "rows outputs"],
        targets: Tensor,
        lengths: Int[Tensor, " rows"],
        sequence: Int[Tensor, " rows"] | None = None,
    ) -> None:
        unit = self.scaling.unit
        if self.quantiles is not None:
            each = by_quantile(outputs, len(self.quantiles.levels))
            self.quantiles.update(
                in_units_of_data(each, self.scaling) / unit, self.scaling.absolute(targets) / unit
            )
            outputs = each[..., self.quantiles.middle]
        values = self.scaling.inverse(outputs)
        self.mae.update(values / unit, targets / unit)
        self.rmse.update(values / unit, targets / unit)
        self.smape.update(self.scaling.absolute(values) / unit, self.scaling.absolute(targets) / unit)
        # R² is the same in any unit; scaled values lose least in float32.
        self.r2.update(outputs, self.scaling(targets))

    def values(self) -> dict[str, Tensor]:
        by_output, pooled = self.r2.compute()
        values = {
            "mae": self.mae.compute().mean() * self.scaling.unit,
            "rmse": self.rmse.compute() * self.scaling.unit,
            "smape": self.smape.compute(),
            "r2": by_output.mean(),
            "r2_pooled": pooled,
        }
        if self.quantiles is not None:
            values |= self.quantiles.values()
        return values

    def details(self) -> dict[str, Any]:
        by_output = self.r2.compute()[0].reshape(-1)  # torchmetrics makes a number of one alone
        return {"r2_by_output": dict(zip(self.names, by_output.tolist(), strict=True))}
