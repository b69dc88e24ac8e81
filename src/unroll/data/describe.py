"""A look at a data set before training: what it holds, and how much of its batches would be padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unroll.data.buckets import BucketedBatches
from unroll.data.collate import Sample
from unroll.data.module import SequenceDataModule
from unroll.data.samples import Samples
from unroll.data.statistics import Statistics
from unroll.spec import IGNORED, SPECIAL_TOKENS, UNKNOWN, Alignment, DataSpec, Kind

CHUNK = 10_000  # samples whose values are held at once
SHOWN = 20
"""So many classes, labels or features the text lists."""


def describe(data: SequenceDataModule) -> dict[str, Any]:
    """Plain numbers by name; what a data set does not have is left out.

    - data, signature: what it is;
    - splits: of each the number of sequences; their lengths and target_lengths (min, median, mean, 95%,
      max); unknown_inputs and unknown_targets, shares of tokens; classes or labels, how many there are of
      each;
    - vocabulary: the numbers of tokens, without the special ones;
    - inputs, targets: the mean, sd, min and max of each feature in training;
    - missing_values: how many were filled with the one before (any other missing value is an error);
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
    summary |= _statistics(train, spec)
    summary["missing_values"] = data.carried
    summary["padding"] = {
        "configured": _padding(data, data.config.bucket_pool),
        "random": _padding(data, 0),
    }
    return summary


def describe_text(summary: dict[str, Any]) -> str:
    """What `describe` found, as aligned lines."""
    splits = summary["splits"]
    lines = [f"{summary['data']} ({summary['signature']})"]
    lines += _grid("", list(splits), {"sequences": [f"{split['sequences']:,}" for split in splits.values()]})
    for key in ("lengths", "target_lengths"):
        if key in splits["train"]:
            rows = {name: [f"{value:.4g}" for value in split[key].values()] for name, split in splits.items()}
            lines += _grid(key.replace("_", " "), list(splits["train"][key]), rows)
    shares = {
        key.replace("_", " "): [f"{split[key]:.2%}" for split in splits.values()]
        for key in ("unknown_inputs", "unknown_targets")
        if key in splits["train"]
    }
    if shares:
        lines += _grid("share of tokens", list(splits), shares)
    for key in ("classes", "labels"):
        if key in splits["train"]:
            rows = {
                name: [_share(split, key, name) for split in splits.values()] for name in splits["train"][key]
            }
            lines += _grid(key, list(splits), rows)
    for key in ("inputs", "targets"):
        if key in summary:
            rows = {
                name: [f"{value:.4g}" for value in found.values()] for name, found in summary[key].items()
            }
            lines += _grid(f"{key} in training", ["mean", "sd", "min", "max"], rows)
    lines.append("")
    lines += [f"vocabulary of {name}: {size:,}" for name, size in summary["vocabulary"].items()]
    missing = summary["missing_values"]
    filled = f"{missing:,}, each filled with the one before" if missing else "none"
    lines.append(f"missing values: {filled}")
    padding = summary["padding"]
    lines.append(
        f"padding: {padding['configured']:.1%} of the steps; in random batches {padding['random']:.1%}"
    )
    return "\n".join(lines)


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
    """Of the features of inputs and targets that are numbers, over all steps of all samples."""
    found: dict[str, Statistics] = {}
    if spec.signature.inputs is not Kind.TOKENS:
        found["inputs"] = Statistics(spec.input_size)
    if spec.signature.targets is Kind.CONTINUOUS:
        found["targets"] = Statistics(spec.target_size)
    if not found:
        return {}
    for start in range(0, len(samples), CHUNK):
        chunk = samples[start : start + CHUNK]
        for key, statistics in found.items():
            statistics.update([sample.inputs if key == "inputs" else _target(sample) for sample in chunk])
    names = {"inputs": spec.input_names, "targets": spec.target_names}
    return {key: statistics.by_name(names[key]) for key, statistics in found.items()}


def _padding(data: SequenceDataModule, pool: int) -> float:
    """The share of padding in the batches of the first epoch."""
    lengths = data.splits["train"].lengths
    batches = BucketedBatches(lengths, data.config.batch_size, seed=data.seed, pool=pool)
    padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    return 1 - sum(lengths) / padded


def _share(split: dict[str, Any], key: str, name: str) -> str:
    count = split[key][name]
    return f"{count:,} ({count / split['targets']:.1%})"


def _grid(title: str, columns: list[str], rows: dict[str, list[str]]) -> list[str]:
    """An empty line, a title with the columns' names, and rows: the first SHOWN of them."""
    shown = [(title, columns), *list(rows.items())[:SHOWN]]
    first = max(len(name) for name, _ in shown)
    widths = [max(len(cells[number]) for _, cells in shown) for number in range(len(columns))]
    lines = [""]
    for name, cells in shown:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  ".join([name.ljust(first), *aligned]))
    more = len(rows) - SHOWN
    return [*lines, f"… and {more} more"] if more > 0 else lines
