"""How a run ended: still getting better, no longer, or overfitted."""

import math

import pytest

from unroll.errors import InputError
from unroll.training.history import History, Validation


def history(values, losses=None, mode="min"):
    losses = losses or [1.0] * len(values)
    made = History("valid/loss", mode)
    for epoch, (value, loss) in enumerate(zip(values, losses, strict=True), start=1):
        made.add(Validation(epoch, value, loss))
    return made


@pytest.mark.parametrize(
    ("made", "best", "words"),
    [
        (history([3, 2, 1]), 3, "still getting better when it ended (epoch 3): try trainer.max_epochs=9"),
        (history([1, 2, 3], mode="max"), 3, "still getting better"),
        (
            history([3, 1, 2], [3.0, 2.0, 1.0]),
            2,
            "best at epoch 2 (1), whose weights were tested; then it overfitted",
        ),
        (history([3, 1, 2], [1.0, 1.0, 1.0]), 2, "it no longer got better"),
        (history([3, 1, 1.01], [3.0, 2.0, 1.0]), 2, "it no longer got better"),
        (history([math.nan, 2, 2]), 2, "it no longer got better"),
    ],
)
def test_ending(made, best, words):
    assert made.best.epoch == best
    assert words in made.ending(3)
    again = History("valid/loss", made.mode)
    again.load(made.to_lists())
    assert again.ending(3) == made.ending(3)


def test_nothing_is_said_without_validations():
    assert history([]).ending(3) == history([1]).ending(3) == ""


def test_a_forged_history_is_refused():
    with pytest.raises(InputError, match="no history of validations"):
        history([]).load([["x", 1, 2]])


def test_a_run_that_was_stopped_no_longer_got_better_by_what_counts():
    assert "it no longer got better" in history([3, 2, 1.9999]).ending(3, stopped=True)
