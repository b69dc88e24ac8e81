"""Rare words that training now and then reads as unknown, so that a model learns to read unknown ones.

Kiperwasser & Goldberg 2016 (arXiv:1603.04351): a word that occurs n times in training is replaced with the
probability α / (α + n).
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unroll.batch import SequenceBatch
from unroll.spec import SPECIAL_TOKENS, UNKNOWN


def unknown_rates(
    sequences: Iterable[Int[Tensor, " _"]], size: int, alpha: float
) -> Float[Tensor, " tokens"]:
    """How often training reads each of `size` tokens as unknown; the special ones never."""
    counts = torch.bincount(torch.cat(list(sequences)), minlength=size)
    rates = alpha / (alpha + counts.double())
    rates[: len(SPECIAL_TOKENS)] = 0
    return rates


def forget_rare_words(
    batch: SequenceBatch, rates: Float[Tensor, " tokens"], seed: int, epoch: int
) -> SequenceBatch:
    """The batch, with some of its tokens made unknown. Which of a sequence: f(seed, epoch, its index).

    So they are the same whatever the batch, the number of workers and processes, and after going on.
    The inputs are written in place: a copy would not lie in page-locked memory, from which a device reads.
    """
    for index, length, tokens in zip(batch.index.tolist(), batch.lengths.tolist(), batch.inputs, strict=True):
        drawn = np.random.default_rng([seed, epoch, index]).random(length)
        tokens[:length].masked_fill_(torch.from_numpy(drawn) < rates[tokens[:length]], UNKNOWN)
    return batch
