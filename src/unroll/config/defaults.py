"""What a run uses where its config sets nothing: rules, measured by `benchmarks/defaults.py`."""

import math
from dataclasses import dataclass

USUAL_RATE = 1e-3
"""The rate where nothing is known of the data, and that of data that are drawn."""

USUAL_DROPOUT = 0.0

USUAL_EPOCHS_PER_VALIDATION = 1
USUAL_LOG_EVERY = 50
"""Of a run whose trainer.max_epochs is set."""

FEWEST_STEPS, FEWEST_EPOCHS = 3000, 20
"""A run that ends when it no longer gets better may take so many steps, and see the data so often."""

MOST_MINUTES = 60.0
PATIENCE = 12
MIN_DELTA = 5e-4
"""Such a run ends after so many validations that were not better by this much."""

VALIDATION_STEPS = 50, 1000
"""Between two validations there are at least and at most so many steps of the optimizer."""

PLATEAU = {"name": "plateau", "factor": 0.3, "patience": 4}
"""The schedule of such a run: the rate falls twice before the patience is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long a run trains that ends when it no longer gets better: `max_epochs` and `validate_every`."""

    max_epochs: int
    validate_every: float


def length(steps: int) -> Length:
    """The length of a run whose epochs have so many steps."""
    least, most = VALIDATION_STEPS
    every = max(1, round(least / steps)) if steps <= most else 1 / math.ceil(steps / most)
    epochs = max(FEWEST_EPOCHS, math.ceil(FEWEST_STEPS / steps))
    return Length(max_epochs=max(1, round(epochs / max(1, every))) * max(1, int(every)), validate_every=every)


def log_every(steps: int, validate_every: float) -> int:
    """Steps from one row of metrics to the next: each validation has at least one before it."""
    return max(1, min(USUAL_LOG_EVERY, int(steps * validate_every)))


def batch_size(sequences: int) -> int:
    """The batch size for files with so many training sequences: a power of two from 16 to 64."""
    return int(min(64, max(16, 2 ** round(math.log2(sequences / 20)))))


GATED = ("gru", "lstm", "min_gru", "min_lstm")
MOST_SEQUENCES_OF_A_SMALL_FILE = 20_000


DROPOUT_OF_FEW_TEXTS = 0.4


def dropout(sequences: int, *, texts_with_classes: bool) -> float:
    """The share of values that is dropped. A model soon knows few texts by heart. It learns less from numbers
    if some are lost, and longer targets gain nothing."""
    few = sequences <= MOST_SEQUENCES_OF_A_SMALL_FILE
    return DROPOUT_OF_FEW_TEXTS if texts_with_classes and few else USUAL_DROPOUT


def rate(sequences: int, cell: str | None) -> float:
    """Adam's learning rate for files with so many training sequences. Gated cells bear a higher one."""
    if cell not in GATED:
        return USUAL_RATE
    return 3e-3 if sequences <= MOST_SEQUENCES_OF_A_SMALL_FILE else 2e-3
