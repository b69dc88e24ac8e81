"""The validations of a run: its best one, and how it ended."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Literal

from unroll.errors import InputError

OVERFITTED = 0.05
"""A run has overfitted if its training loss fell while the metric got worse by more than this share."""


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation: after how many epochs, the monitored metric, and the training loss before it."""

    epoch: float
    value: float
    train_loss: float | None


@dataclass(slots=True)
class History:
    """The validations of a run in their order. `mode` says whether "min" or "max" of the metric is best."""

    metric: str
    mode: Literal["min", "max"]
    validations: list[Validation] = field(default_factory=list)

    def add(self, validation: Validation) -> None:
        """Add the next validation. One whose value is NaN is never the best."""
        self.validations.append(validation)

    @property
    def best(self) -> Validation | None:
        """The first of the best validations."""
        known = [each for each in self.validations if each.value == each.value]
        sign = 1 if self.mode == "min" else -1
        return min(known, key=lambda each: sign * each.value, default=None)

    def ending(self, max_epochs: int, *, stopped: bool = False) -> str:
        """Whether the metric still got better when the run ended, or had got worse, in words.

        A run that early stopping has `stopped` no longer got better by what counts.
        """
        best = self.best
        if best is None or len(self.validations) < 2:
            return ""
        last, name = self.validations[-1], self.metric
        if best is last and not stopped:
            epochs = f"trainer.max_epochs={3 * max_epochs}"
            return f"{name} was still getting better when it ended (epoch {best.epoch:.3g}): try {epochs}."
        at = f"{name} was best at epoch {best.epoch:.3g} ({best.value:.4g}), whose weights were tested"
        worse = abs(last.value - best.value) > OVERFITTED * abs(best.value)
        learned = None not in (last.train_loss, best.train_loss) and last.train_loss < best.train_loss  # type: ignore[operator]
        if worse and learned:
            return f"{at}; then it overfitted, to {last.value:.4g} at epoch {last.epoch:.3g}."
        return f"{at}; it no longer got better."

    def to_lists(self) -> list[list[float | None]]:
        """The validations as plain values."""
        return [list(astuple(each)) for each in self.validations]

    def load(self, lists: Iterable[Sequence[float | None]]) -> None:
        """Take the validations of `to_lists`.

        Raises:
            InputError: they are something else.
        """
        try:
            self.validations = [
                Validation(float(epoch), float(value), None if loss is None else float(loss))  # type: ignore[arg-type]
                for epoch, value, loss in lists
            ]
        except (TypeError, ValueError) as error:
            raise InputError(f"the checkpoint holds no history of validations ({error})") from error
