"""Spans of BIO tags: known examples, a slow obvious version, any cut into batches."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unroll.models.spans import SpanScores, are_bio, spans

TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
sentences = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8), min_size=1, max_size=6
)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-PER I-PER O B-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("B-PER B-PER I-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        ("I-PER I-PER", [(0, 2, "PER")]),  # as conlleval: without a B-, too
        ("B-PER I-LOC I-LOC", [(0, 1, "PER"), (1, 3, "LOC")]),
        ("O I-LOC B-LOC", [(1, 2, "LOC"), (2, 3, "LOC")]),
    ],
)
def test_spans(tags, expected):
    assert list(spans(tags.split())) == expected


def test_bio():
    assert are_bio(TAGS)
    assert are_bio(("B-x", "O"))
    assert not are_bio(("O",))
    assert not are_bio(("I-x", "O"))  # nothing begins a span
    assert not are_bio(("B-", "O"))
    assert not are_bio(("B-x", "NOUN", "O"))


def slow(tags):
    """Every stretch of steps that begins a span, goes on with it, and cannot go further."""

    def begins(step):
        before = tags[step - 1] if step else "O"
        return tags[step] != "O" and (tags[step][0] == "B" or before == "O" or before[2:] != tags[step][2:])

    found = set()
    for start in range(len(tags)):
        for end in range(start + 1, len(tags) + 1):
            inside = all(tags[step] != "O" and not begins(step) for step in range(start + 1, end))
            further = end < len(tags) and tags[end] != "O" and not begins(end)
            if begins(start) and inside and not further:
                found.add((start, end, tags[start][2:]))
    return found


@settings(deadline=None)
@given(sentences=sentences, cut=st.integers(0, 6))
def test_equals_the_slow_obvious_version_however_batched(sentences, cut):
    metric = SpanScores(TAGS)
    for batch in (sentences[:cut], sentences[cut:]):
        if batch:
            rows = torch.tensor([pair for sentence in batch for pair in sentence])
            sequence = torch.tensor([number for number, sentence in enumerate(batch) for _ in sentence])
            metric.update(rows[:, 0], rows[:, 1], sequence)
    right = found = wanted = 0
    for sentence in sentences:
        predicted, true = (slow([TAGS[pair[side]] for pair in sentence]) for side in (0, 1))
        right, found, wanted = right + len(predicted & true), found + len(predicted), wanted + len(true)
    precision, recall, f1 = (value.item() for value in metric.compute())
    if not wanted:
        assert all(math.isnan(value) for value in (precision, recall, f1))
        return
    assert precision == pytest.approx(right / found if found else 0)
    assert recall == pytest.approx(right / wanted)
    assert f1 == pytest.approx(2 * right / (found + wanted))
