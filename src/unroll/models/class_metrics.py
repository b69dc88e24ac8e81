"""Scores of classes that torchmetrics does not have in this form."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassF1Score
from torchmetrics.functional.classification import multiclass_auroc

MOST_SCORES = 2**24
"""So many probabilities are kept for ROC AUC in each process, 64 MiB."""


class F1AndRecall(MulticlassF1Score):
    """Macro F1, and balanced accuracy: the mean recall of the classes that occur (Brodersen et al. 2010).

    torchmetrics' macro recall counts a class that is predicted but does not occur as 0.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(classes, average="macro")

    def compute(self) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Macro F1 and balanced accuracy."""
        right, missed = self.tp, self.fn
        assert isinstance(right, Tensor)
        assert isinstance(missed, Tensor)
        occurs = right + missed > 0
        recall = right[occurs] / (right + missed)[occurs]
        return super().compute(), recall.mean()


class RocAuc(Metric):
    """The area under the ROC curve of each class against the rest, the mean over classes (Fawcett 2006).

    It is computed from all probabilities, not from bins. It is not defined, and NaN, where a class does not
    occur, and where there are more than `MOST_SCORES` probabilities.
    """

    full_state_update = False
    probabilities: list[Tensor] | Tensor
    targets: list[Tensor] | Tensor
    rows: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.add_state("probabilities", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")
        self.add_state("rows", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, probabilities: Float[Tensor, "rows classes"], targets: Int[Tensor, " rows"]) -> None:
        """Add rows."""
        assert isinstance(self.probabilities, list)
        assert isinstance(self.targets, list)
        room = MOST_SCORES // self.classes - sum(map(len, self.targets))
        self.probabilities.append(probabilities[:room].detach())
        self.targets.append(targets[:room])
        self.rows += len(targets)

    def compute(self) -> Tensor:
        """The mean over classes."""
        probabilities, targets = (
            (torch.cat(state) if isinstance(state, list) else state).cpu()
            for state in (self.probabilities, self.targets)
        )
        if bool((targets.bincount(minlength=self.classes) == 0).any()) or self.rows > len(targets):
            return torch.tensor(torch.nan)
        return multiclass_auroc(probabilities, targets, self.classes, validate_args=False)
