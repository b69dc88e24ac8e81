"""A few batches stand for an epoch: which they are, and the mean time of a batch that they give."""

import pytest

from unroll.config.compose import CONF, check, compose
from unroll.config.registry import from_dict
from unroll.cost.few_batches import (
    LARGEST_BATCH_REPEATS,
    MOST_SAMPLED_BATCHES,
    SAMPLE_ROUNDS,
    FewBatches,
)
from unroll.cost.measure import _Watch
from unroll.data.module import build_data
from unroll.data.segments import segments

SMALL = ("data.train_size=300", "data.valid_size=4", "data.test_size=4")


def data_of(*overrides):
    values = check(compose([*SMALL, *overrides]), CONF)
    return build_data(from_dict("data", values["data"]), values["seed"])


COPY = ("data=copy", "data.batch_size=16")


def test_an_epoch_is_not_so_many_of_its_longest_batch():
    """On a clock by which a batch takes as long as it is large, padding and targets included."""
    data = data_of(*COPY)
    few = FewBatches(data, None, None)
    watch = _Watch(few)
    sizes = {id(batch): collated_size(data, batch) for batch in (*few.batches, *few.chosen)}
    for batch in few.chosen:
        watch.times.append((watch.times[-1] if watch.times else 0) + sizes[id(batch)])
    whole = sum(sizes[id(batch)] for batch in few.batches)
    assert watch.batch_seconds() * len(few.batches) == pytest.approx(whole, rel=0.05)
    assert max(sizes.values()) * len(few.batches) > 1.5 * whole


def collated_size(data, batch):
    collated = data.collate([data.splits["train"][index] for index in batch])
    return len(collated) * (collated.inputs.shape[1] + collated.targets.shape[1] - 1)  # all have an END


def test_the_largest_batch_comes_first_and_every_batch_is_stood_for():
    data = data_of(*COPY)
    few = FewBatches(data, None, None)
    assert sum(few.group_sizes) == len(few.batches) == 19  # 300 in batches of 16
    warm_up, *rest = few.chosen
    assert len(warm_up) == 1
    assert rest[:LARGEST_BATCH_REPEATS] == [few.largest] * LARGEST_BATCH_REPEATS
    assert collated_size(data, few.largest) == max(collated_size(data, batch) for batch in few.batches)
    assert len(rest) == LARGEST_BATCH_REPEATS + MOST_SAMPLED_BATCHES * SAMPLE_ROUNDS
    assert sorted(index for batch in few.batches for index in batch) == list(range(300))
    assert len(FewBatches(data, None, 3).batches) == 3


def test_batches_cut_along_time_come_segment_by_segment():
    data = data_of("model=many_to_many", "data.min_length=5", "data.max_length=30", "data.batch_size=16")
    few = FewBatches(data, 7, None)
    steps = list(few)
    assert len(steps) == len(few) == few.ends()[-1]
    whole = data.collate([data.splits["train"][index] for index in few.largest])
    expected = list(segments(whole, 7))
    assert [step.inputs.tolist() for step in steps[few.ends()[0] :][: len(expected)]] == [
        segment.inputs.tolist() for segment in expected
    ]
