"""What a data set holds, and how much of its batches would be padding, as plain numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unroll.data.buckets import BucketedBatches
from unroll.data.collate import Sample
from unroll.data.describe.statistics import Statistics
from unroll.data.module import SequenceDataModule
from unroll.data.samples import Samples
from unroll.spec import IGNORED, SPECIAL_TOKENS, UNKNOWN, Alignment, DataSpec, Kind, Tokenizer
from unroll.vocabulary import Vocabulary

CHUNK_SAMPLES = 10_000
"""How many samples are copied at once to compute statistics."""

SHOWN_TEXTS = 3
"""How many texts are shown as they are cut."""


def summarize(data: SequenceDataModule) -> dict[str, Any]:
    """Numbers by name. A data set that has no tokens, for example, has no key for unknown tokens.

    - data, signature: the description and the signature;
    - splits: for each split the number of sequences; the min, median, mean, 95% and max of their lengths and
      target_lengths; unknown_inputs and unknown_targets, shares of tokens; classes or labels, the count of
      each;
    - vocabulary: the numbers of tokens, without the special ones;
    - cut: what text is cut into, and the tokens of the first texts of training;
    - inputs, targets: the mean, sd, min and max of each feature in training;
    - missing_values: how many were filled (any other missing value is an error);
    - notes: what was found out as the data were read: the step of series, gaps, and what was filled;
    - padding: its share of the steps of training batches, as configured and with random batches.
    """
    spec = data.spec
    train = data.splits["train"].samples
    summary: dict[str, Any] = {
        "data": data.description,
        "signature": str(spec.signature),
        "splits": {name: _split(split, spec) for name, split in data.splits.items()},
    }
    tokens = {"inputs": spec.input_vocabulary, "letters": spec.letters}
    if spec.signature.targets is Kind.TOKENS:
        tokens["targets"] = spec.target_vocabulary
    summary["vocabulary"] = {
        name: len(known) - len(SPECIAL_TOKENS) for name, known in tokens.items() if known
    }
    if spec.tokenizer is not Tokenizer.spaces:
        known = Vocabulary(spec.input_vocabulary)
        texts = [known.decode(sample.inputs.tolist()) for sample in train[:SHOWN_TEXTS]]
        case = " in lower case" if spec.lowercase else ""
        summary["cut"] = {"into": f"{spec.tokenizer.value}{case}", "texts": texts}
    summary |= _statistics(train, spec)
    summary["missing_values"] = data.carried
    summary["notes"] = list(data.notes)
    summary["padding"] = {
        "configured": _padding(data, data.config.bucket_pool),
        "random": _padding(data, 0),
    }
    return summary


def _split(split: Samples, spec: DataSpec) -> dict[str, Any]:
    kind, samples = spec.signature.targets, split.samples
    found: dict[str, Any] = {"sequences": len(samples), "lengths": _lengths(split.lengths)}
    if spec.signature.alignment is Alignment.UNALIGNED:
        found["target_lengths"] = _lengths([len(_target(sample)) for sample in samples])
    if spec.signature.inputs is Kind.TOKENS:
        found["unknown_inputs"] = _unknown([sample.inputs for sample in samples])
    if kind is Kind.TOKENS:
        found["unknown_targets"] = _unknown([_target(sample) for sample in samples])
    if kind is Kind.CLASSES:
        classes = torch.cat([_target(sample).flatten() for sample in samples])
        classes = classes[classes != IGNORED]
        counts = torch.bincount(classes, minlength=spec.target_size).tolist()
        found |= {"targets": len(classes), "classes": dict(zip(_names(spec), counts, strict=True))}
    if kind is Kind.LABELS:
        labels = torch.cat([_target(sample).view(-1, spec.target_size) for sample in samples])
        counts = labels.sum(dim=0).int().tolist()
        found |= {"targets": len(labels), "labels": dict(zip(_names(spec), counts, strict=True))}
    return found


def _names(spec: DataSpec) -> tuple[str, ...]:
    return spec.target_vocabulary or tuple(str(number) for number in range(spec.target_size))


def _target(sample: Sample) -> Tensor:
    assert sample.targets is not None
    return sample.targets


def _lengths(lengths: list[int]) -> dict[str, float]:
    return {
        "min": min(lengths),
        "median": float(np.median(lengths)),
        "mean": float(np.mean(lengths)),
        "95%": float(np.percentile(lengths, 95, method="inverted_cdf")),
        "max": max(lengths),
    }


def _unknown(sequences: list[Tensor]) -> float:
    tokens = torch.cat(sequences)
    return float((tokens == UNKNOWN).double().mean())


def _statistics(samples: Sequence[Sample], spec: DataSpec) -> dict[str, dict[str, dict[str, float]]]:
    """Statistics of each feature of inputs and targets that are numbers, over all steps of all samples."""
    found: dict[str, Statistics] = {}
    if spec.signature.inputs is not Kind.TOKENS:
        found["inputs"] = Statistics(spec.input_size)
    if spec.signature.targets is Kind.CONTINUOUS:
        found["targets"] = Statistics(spec.target_size)
    if not found:
        return {}
    for start in range(0, len(samples), CHUNK_SAMPLES):
        chunk = samples[start : start + CHUNK_SAMPLES]
        for key, statistics in found.items():
            statistics.update([sample.inputs if key == "inputs" else _target(sample) for sample in chunk])
    names = {"inputs": spec.input_names, "targets": spec.target_names}
    means = {"inputs": spec.input_mean, "targets": spec.target_mean} if spec.centered else {}
    return {key: statistics.by_name(names[key], means.get(key, ())) for key, statistics in found.items()}


def _padding(data: SequenceDataModule, pool: int) -> float:
    """The share of padding in the batches of the first epoch."""
    lengths = data.splits["train"].lengths
    batches = BucketedBatches(lengths, data.batch_size, seed=data.seed, pool=pool)
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    return 1 - sum(lengths) / padded
