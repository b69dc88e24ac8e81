"""The verdict on a model in plain words: better than the baseline or not, and whether chance could do it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from unroll.baselines.errors import Compared
from unroll.models.measure import Form, Measure

CONFIDENCE = 0.95
RESAMPLES = 1000
MOST_RESAMPLED = 2_000_000
"""Numbers that are drawn at once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A model's value beside its baseline's, and an interval.

    The interval holds, with 95% confidence, the model's accuracy, if each test sequence is right or wrong;
    otherwise the difference between the model's value and the baseline's. None: there are too few test
    sequences for one. `others` are the values of further baselines.
    """

    measure: Measure
    baseline: str
    value: float
    baseline_value: float
    interval: tuple[float, float] | None
    sequences: int
    is_share: bool
    others: dict[str, float] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """How much better than the baseline, in the metric's units; negative if worse."""
        difference = self.value - self.baseline_value
        return difference if self.measure.higher_is_better else -difference

    @property
    def beyond_chance(self) -> bool:
        """Whether other test sequences would hardly have told otherwise."""
        if self.interval is None:
            return False
        low, high = self.interval
        reference = self.baseline_value if self.is_share else 0.0
        return not low <= reference <= high

    def __str__(self) -> str:
        values = f"{self.measure.name} {self.value:.4g} against {self.baseline_value:.4g}{self._share()}"
        if self.gain == 0:
            return f"No better than the {self.baseline}: {values}."
        if not self.beyond_chance:
            word = "better" if self.gain > 0 else "worse"
            return f"Hardly {word} than the {self.baseline}: {values}, within chance ({self._interval()})."
        word = "Better" if self.gain > 0 else "WORSE"
        return f"{word} than the {self.baseline}: {values}, beyond chance ({self._interval()})."

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, for results.json."""
        return {
            "name": self.baseline,
            "metric": f"test/{self.measure.name}",
            "value": self.baseline_value,
            "better": self.gain > 0,
            "beyond_chance": self.beyond_chance,
            "interval": None if self.interval is None else list(self.interval),
            "interval_of": self.measure.name if self.is_share else f"{self.measure.name} less the baseline's",
            "test_sequences": self.sequences,
            **({"others": self.others} if self.others else {}),
        }

    def _share(self) -> str:
        """By how much an error is less than the baseline's, and those of the others."""
        if self.measure.form is not Form.MEAN or not self.baseline_value > 0:
            return ""
        change = self.value / self.baseline_value - 1
        told = [f"{abs(change):.0%} {'less' if change < 0 else 'more'}"]
        told += [f"the {name}: {value:.4g}" for name, value in self.others.items()]
        return f" ({'; '.join(told)})"

    def _interval(self) -> str:
        count = f"{self.sequences:,} test sequence{'s' if self.sequences > 1 else ''}"
        if self.interval is None:
            return f"{count}: too few to tell"
        low, high = self.interval
        what = f"{low:.3g} to {high:.3g}" if self.is_share else f"a difference of {low:.3g} to {high:.3g}"
        return f"95% interval: {what}, {count}"


def judge(compared: Compared) -> Verdict:
    """The verdict on a model, from its errors and those of its baseline."""
    measure, total = compared.measure, float(compared.items.sum())
    is_share = measure.form is Form.RIGHT and bool((compared.items == 1).all())
    return Verdict(
        measure=measure,
        baseline=compared.baseline,
        value=measure.of(float(compared.model.sum()), total),
        baseline_value=measure.of(float(compared.errors.sum()), total),
        interval=_of_share(compared) if is_share else _of_difference(compared),
        sequences=len(compared.items),
        is_share=is_share,
        others={name: measure.of(float(errors.sum()), total) for name, errors in compared.others.items()},
    )


def warning(valid: Mapping[str, float | None]) -> str:
    """That the naive forecast was better on the validation part, in words; nothing where it was not."""
    error = valid.get("valid/mae")
    naive = {
        name: valid.get(f"valid/{key}_mae")
        for name, key in {"naive forecast": "naive", "seasonal naive forecast": "seasonal_naive"}.items()
    }
    better = {name: value for name, value in naive.items() if value is not None}
    if error is None or not better or error <= min(better.values()):
        return ""
    name = min(better, key=better.__getitem__)
    return (
        f"On the validation part it is WORSE than the {name}: mae {error:.4g} against {better[name]:.4g}; "
        "a forecast by that rule costs nothing."
    )


def _of_share(compared: Compared) -> tuple[float, float]:
    """The interval of the accuracy (Wilson 1927)."""
    number = len(compared.items)
    right = number - round(compared.model.sum())
    interval = stats.binomtest(int(right), number).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _of_difference(compared: Compared) -> tuple[float, float] | None:
    """The interval of the model's value less the baseline's, by a paired bootstrap (Efron 1979).

    Sequences that share targets are drawn together, as a block.
    """
    starts = np.arange(0, len(compared.items), compared.overlap)
    if len(starts) < 2:
        return None
    sums = [np.add.reduceat(each, starts) for each in (compared.model, compared.errors, compared.items)]

    def difference(model: np.ndarray, baseline: np.ndarray, items: np.ndarray, axis: int) -> np.ndarray:
        total = np.maximum(items.sum(axis), 1)
        found: np.ndarray = model.sum(axis) / total
        reference: np.ndarray = baseline.sum(axis) / total
        if compared.measure.form is Form.ROOT:
            found, reference = np.sqrt(found), np.sqrt(reference)
        found -= reference
        return -found if compared.measure.higher_is_better else found

    result = stats.bootstrap(
        sums,
        difference,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, MOST_RESAMPLED // len(starts)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
