"""Batches of near-equal lengths against batches as chance has it."""

import math

import numpy as np
import torch
from _setup import adam, bare_step, load_config, make_model
from _timing import in_turns, ratio, table, timed

from unroll.data.buckets import BucketedBatches
from unroll.data.collate import Sample, collate
from unroll.models.base import SequenceModel

MEAN, SIGMA = 34, 0.8  # of the log-normal lengths: exp(N(ln MEAN - SIGMA²/2, SIGMA²))
BATCH_SIZE = 32
POOLS = {"bucketed": 50, "random": 0}


def run(quick: bool) -> str:
    """Epochs over the same sequences, copied; collating them is in the time."""
    size, repeats = (1_600, 2) if quick else (8_000, 7)
    torch.set_num_threads(1)
    samples = draw_samples(size)
    model = make_model(load_config("data=copy"))
    batches = {name: make_batches(samples, pool) for name, pool in POOLS.items()}
    seconds = in_turns(
        {name: timed(train_epoch, model, samples, sampler) for name, sampler in batches.items()}, repeats
    )
    rows = [
        [name, f"{100 * share_of_real_tokens(sampler):.1f}%", ratio(seconds[name], seconds["random"])]
        for name, sampler in batches.items()
    ]
    longest = max(len(sample.inputs) for sample in samples)
    lengths = f"log-normal lengths of mean {MEAN} and sigma {SIGMA}, the longest {longest}"
    return f"{size:,} sequences of {lengths}; batches of {BATCH_SIZE}.\n\n" + table(
        ["batches", "real tokens", "time of an epoch / random"], rows
    )


def draw_samples(size: int) -> list[Sample]:
    """Sequences to copy, of log-normal lengths."""
    random = np.random.default_rng(1)
    lengths = random.lognormal(math.log(MEAN) - SIGMA**2 / 2, SIGMA, size).round().clip(min=1).astype(int)
    tokens = [torch.from_numpy(random.integers(4, 24, length)) for length in lengths]
    return [Sample(index, sequence, sequence) for index, sequence in enumerate(tokens)]


def make_batches(samples: list[Sample], pool: int) -> BucketedBatches:
    """Shuffled batches; a pool of 0 does not sort."""
    return BucketedBatches([len(sample.inputs) for sample in samples], BATCH_SIZE, seed=1, pool=pool)


def share_of_real_tokens(batches: BucketedBatches) -> float:
    """Of all B·T input steps of an epoch, those that are not padding."""
    lengths = [batches.lengths[batch] for batch in batches]
    return float(sum(batch.sum() for batch in lengths) / sum(len(batch) * batch.max() for batch in lengths))


def train_epoch(model: SequenceModel, samples: list[Sample], batches: BucketedBatches) -> None:
    """One pass over the samples."""
    optimizer = adam(model)
    for batch in batches:
        bare_step(model, optimizer, collate([samples[i] for i in batch], model.spec.signature))
