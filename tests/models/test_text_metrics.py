"""BLEU and chrF: their definitions written out, torchmetrics where it follows them, any cut into batches."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.text import CHRFScore, SacreBLEUScore

from unroll.models.text_metrics import Bleu, Chrf

texts = st.lists(st.sampled_from(["a", "b", "ab", "bac"]), max_size=8).map(" ".join)
pairs = st.tuples(texts, st.lists(texts.filter(bool), min_size=1, max_size=3))
cases = st.lists(pairs, min_size=1, max_size=6)


def scores(metric, *batches):
    """The score of cases that come in batches."""
    for batch in batches:
        if batch:
            metric.update([text for text, _ in batch], [references for _, references in batch])
    return metric.compute().item()


def times(part, whole):
    """How often a list stands within another."""
    return sum(whole[start : start + len(part)] == part for start in range(len(whole) - len(part) + 1))


def parts(whole, size):
    return [whole[start : start + size] for start in range(len(whole) - size + 1)]


def matching(found, targets, size):
    """How many n-grams of `found` match, each as often as it stands in one of the targets."""
    different = {tuple(part) for part in parts(found, size)}
    return sum(
        min(times(list(part), found), max(times(list(part), target) for target in targets))
        for part in different
    )


@settings(deadline=None)
@given(cases=cases, cut=st.integers(0, 6))
def test_bleu_is_the_mean_precision_of_one_to_four_words_with_a_penalty_for_brevity(cases, cut):
    words = [(text.split(), [reference.split() for reference in each]) for text, each in cases]
    logs, missing = 0.0, 0
    for size in range(1, 5):
        total = sum(len(parts(found, size)) for found, _ in words)
        right = sum(matching(found, targets, size) for found, targets in words)
        if total == 0 or (size == 1 and right == 0):
            logs = -math.inf
            break
        if right == 0:  # sacrebleu's smoothing: a half, a quarter … of a match
            missing += 1
            right = 0.5**missing
        logs += math.log(right / total) / 4
    length = sum(len(found) for found, _ in words)
    wanted = 0
    for found, targets in words:
        wanted += min(map(len, targets), key=lambda size, found=found: (abs(size - len(found)), size))
    penalty = min(1.0, math.exp(1 - wanted / length)) if length else 0.0
    assert scores(Bleu(), cases[:cut], cases[cut:]) == pytest.approx(100 * penalty * math.exp(logs), rel=1e-5)


def f_score(counts):
    both = [(right / found, right / wanted) for found, wanted, right in counts if found and wanted]
    if sum(precision for precision, _ in both) == 0:
        return 0.0
    precision, recall = (sum(each) / len(both) for each in zip(*both, strict=True))
    return 100 * 5 * precision * recall / (4 * precision + recall)


@settings(deadline=None)
@given(cases=cases, cut=st.integers(0, 6))
def test_chrf_weighs_recall_twice_and_takes_the_best_reference(cases, cut):
    sums = [[0, 0, 0] for _ in range(6)]
    for text, references in cases:
        best = None
        for reference in references:
            found, target = list(text.replace(" ", "")), list(reference.replace(" ", ""))
            counts = []
            for size in range(1, 7):
                wanted = len(parts(target, size))
                total = len(parts(found, size)) if wanted else 0
                counts.append([total, wanted, matching(found, [target], size)])
            if best is None or f_score(counts) > f_score(best):
                best = counts
        sums = [[a + b for a, b in zip(*both, strict=True)] for both in zip(sums, best, strict=True)]
    assert scores(Chrf(), cases[:cut], cases[cut:]) == pytest.approx(f_score(sums), rel=1e-5)


LONG = "the cat sat on the mat and looked at a bird"


@given(changes=st.lists(st.tuples(st.integers(4, 10), st.sampled_from(["dog", "on"])), max_size=4))
@settings(deadline=None, max_examples=20)
def test_torchmetrics_agrees_on_bleu_where_four_words_match(changes):
    words = LONG.split()
    for place, word in changes:
        words[place] = word
    assert LONG.split()[:4] == words[:4]
    theirs = SacreBLEUScore(tokenize="none")
    theirs.update([" ".join(words)], [[LONG]])
    ours = scores(Bleu(), [(" ".join(words), [LONG])])
    assert ours == pytest.approx(100 * theirs.compute().item(), rel=1e-5)


def test_known_scores():
    assert scores(Bleu(), [(LONG, [LONG])]) == pytest.approx(100)
    assert scores(Chrf(), [(LONG, [LONG])]) == pytest.approx(100)
    assert scores(Bleu(), [("", ["a"])]) == scores(Chrf(), [("", ["a"])]) == 0
    # Papineni et al. 2002, example 2: the clipped precision of "the" is 2 / 7, of longer ones nothing.
    theirs = ["the cat is on the mat", "there is a cat on the mat"]
    smoothed = [2 / 7, 1 / (2 * 6), 1 / (4 * 5), 1 / (8 * 4)]
    expected = 100 * math.prod(smoothed) ** (1 / 4)
    assert scores(Bleu(), [("the the the the the the the", theirs)]) == pytest.approx(expected)


def test_chrf_counts_the_references_of_texts_without_a_match():
    one = (LONG, [LONG])
    assert scores(Chrf(), [one, ("x", [LONG])]) < 60 < scores(Chrf(), [one])


@given(changes=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["dog", "on"])), max_size=4))
@settings(deadline=None, max_examples=10)
def test_torchmetrics_agrees_on_chrf_where_something_of_every_length_matches(changes):
    """It takes the mean of the F scores of each length, sacrebleu the F score of their mean precision."""
    words = LONG.split()
    for place, word in changes:
        words[place] = word
    theirs = CHRFScore(n_word_order=0)
    ours = scores(Chrf(), [(" ".join(words), [LONG])])
    assert ours == pytest.approx(100 * scores(theirs, [(" ".join(words), [LONG])]), abs=1)
