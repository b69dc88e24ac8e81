from helpers import distance
from hypothesis import given
from hypothesis import strategies as st

from unroll.models.metrics import SequenceErrors

tokens = st.lists(st.integers(4, 7), max_size=6)
cases = st.lists(st.tuples(tokens, st.lists(tokens, min_size=1, max_size=3)), min_size=1, max_size=12)


@given(cases=cases, cut=st.integers(0, 12))
def test_equals_the_slow_obvious_version_however_batched(cases, cut):
    metric = SequenceErrors()
    for part in (cases[:cut], cases[cut:]):
        if part:
            metric.update([p for p, _ in part], [r for _, r in part])
    edits = length = wrong = 0
    for predicted, references in cases:
        best = min(references, key=lambda reference: distance(predicted, reference))
        edits += distance(predicted, best)
        length += len(best)
        wrong += predicted not in references
    token_errors, sequence_errors = metric.compute()
    assert abs(token_errors.item() - edits / max(1, length)) < 1e-6
    assert abs(sequence_errors.item() - wrong / len(cases)) < 1e-6


def test_any_reference_is_right_and_the_nearest_counts():
    metric = SequenceErrors()
    metric.update([[4, 5], [4]], [[[9, 9, 9], [4, 5]], [[5, 5, 5, 5], [5, 4]]])
    token_errors, sequence_errors = metric.compute()
    assert token_errors.item() == 1 / 4  # one insertion; two tokens in each nearest reference
    assert sequence_errors.item() == 1 / 2
