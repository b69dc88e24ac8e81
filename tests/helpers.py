"""Small configs, models and batches that several tests build."""

import dataclasses
import math
from typing import Any

import torch
from conftest import ROOT
from rich.console import Console

from unroll.batch import SequenceBatch
from unroll.config import registry
from unroll.config.choices import written
from unroll.config.components import CellConfig
from unroll.config.registry import from_dict, to_dict
from unroll.data.collate import Sample, collate
from unroll.models.base import SequenceModel, build_model
from unroll.models.seq2seq import Seq2Seq
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature
from unroll.terminal import one_line


def token_spec(tokens: int = 6, max_target_length: int = 8) -> DataSpec:
    vocabulary = (*SPECIAL_TOKENS, *(f"t{i}" for i in range(tokens)))
    return DataSpec(
        signature=Signature(Kind.TOKENS, Kind.TOKENS, Alignment.UNALIGNED),
        input_size=len(vocabulary),
        target_size=len(vocabulary),
        max_target_length=max_target_length,
        input_vocabulary=vocabulary,
        target_vocabulary=vocabulary,
    )


NESTED = {
    "seq2seq": {"cell": {"name": "gru"}, "attention": {"name": "dot"}},
    "one_to_many": {"cell": {"name": "gru"}},
    **{
        model: {"cell": {"name": "gru"}, "embedding": {"name": "word"}, "front_end": {"name": "none"}}
        for model in ("many_to_one", "many_to_many", "seq2seq_continuous")
    },
}
"""The groups inside a model's config, which have no default."""


def small_model(name: str, spec: DataSpec, **values: Any) -> SequenceModel:
    """A model of hidden size 8 in eval mode. A `cell` may be a config that is not in the registry."""
    config = from_dict("model", {"name": name, **NESTED[name], "hidden_size": 8, **_plain(values)})
    return build_model(
        config if _plain(values) == values else dataclasses.replace(config, cell=values["cell"]),
        spec,
        from_dict("optimizer", {"name": "adam"}),
        from_dict("scheduler", {"name": "constant"}),
    ).eval()


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not isinstance(value, CellConfig)}


def small_seq2seq(spec: DataSpec | None = None, **values: Any) -> Seq2Seq:
    model = small_model("seq2seq", spec or token_spec(), **{"embedding_size": 5, **values})
    assert isinstance(model, Seq2Seq)
    return model


def any_spec(inputs: Kind, targets: Kind, alignment: Alignment, **values: Any) -> DataSpec:
    """A spec of any signature: 3 features or 6 tokens, 4 classes, labels or values."""
    tokens = token_spec().input_vocabulary
    return DataSpec(
        signature=Signature(inputs, targets, alignment),
        input_size=len(tokens) if inputs is Kind.TOKENS else 3,
        target_size=len(tokens) if targets is Kind.TOKENS else 4,
        input_vocabulary=tokens if inputs is Kind.TOKENS else (),
        target_vocabulary=tokens if targets is Kind.TOKENS else ("a", "b", "c", "d"),
        **{"max_target_length": 5, **values},
    )


def any_batch(spec: DataSpec, lengths: list[int], seed: int = 0) -> SequenceBatch:
    """Random inputs of the given lengths with random targets of the spec's kind; unaligned ones of 1 to 5."""
    generator = torch.Generator().manual_seed(seed)
    low = len(SPECIAL_TOKENS)
    samples = []
    for index, length in enumerate(lengths):
        if spec.signature.inputs is Kind.TOKENS:
            inputs = torch.randint(low, spec.input_size, (length,), generator=generator)
        else:
            inputs = torch.randn(length, spec.input_size, generator=generator)
        steps = {
            Alignment.SEQUENCE: (),
            Alignment.STEP: (length,),
            Alignment.UNALIGNED: (int(torch.randint(1, 6, (), generator=generator)),),
        }[spec.signature.alignment]
        match spec.signature.targets:
            case Kind.TOKENS:
                targets = torch.randint(low, spec.target_size, steps, generator=generator)
            case Kind.CLASSES:
                targets = torch.randint(0, spec.target_size, steps, generator=generator)
            case Kind.LABELS:
                targets = torch.randint(0, 2, (*steps, spec.target_size), generator=generator).float()
            case _:
                targets = torch.randn(*steps, spec.target_size, generator=generator)
        samples.append(Sample(index, inputs, targets))
    return collate(samples, spec.signature)


def token_batch(lengths: list[int], tokens: int = 6, seed: int = 0) -> SequenceBatch:
    """Random inputs of the given lengths, each with a target one token longer."""
    generator = torch.Generator().manual_seed(seed)
    low, high = len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + tokens
    samples = [
        Sample(
            index,
            torch.randint(low, high, (length,), generator=generator),
            torch.randint(low, high, (length + 1,), generator=generator),
        )
        for index, length in enumerate(lengths)
    ]
    return collate(samples, token_spec().signature)


def single(batch: SequenceBatch, row: int) -> SequenceBatch:
    """One sequence of a batch, alone and without padding."""
    assert batch.targets is not None
    lengths = batch.lengths[row : row + 1]
    targets = batch.targets[row : row + 1]
    if batch.target_lengths is not None:
        targets = targets[:, : int(batch.target_lengths[row])]
    elif targets.dim() > 1 and targets.shape[1] == batch.inputs.shape[1]:
        targets = targets[:, : int(lengths)]
    return SequenceBatch(
        index=batch.index[row : row + 1],
        inputs=batch.inputs[row : row + 1, : int(lengths)],
        lengths=lengths,
        targets=targets,
        target_lengths=None if batch.target_lengths is None else batch.target_lengths[row : row + 1],
    )


def shipped(data: str) -> dict[str, Any]:
    """All values of a data set in conf/data."""
    return to_dict(from_dict("data", written(ROOT / "conf" / "data" / f"{data}.yaml")))


def fitting_model(data: str) -> str:
    """The first model that can learn from a data set in conf/data."""
    signature = from_dict("data", shipped(data)).signature()
    models = [registry.config_class("model", name) for name in registry.names("model")]
    return next(config().name for config in models if signature in config.accepts)


def distance(a, b):
    """Edit distance as its definition says: slow, and obviously right."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return distance(a[1:], b[1:])
    return 1 + min(distance(a[1:], b), distance(a, b[1:]), distance(a[1:], b[1:]))


def finite(metrics):
    """Whether all metrics are finite numbers; ROC AUC is none where a class is not among a few sequences."""
    lacking = {name for name, value in metrics.items() if value is None or not math.isfinite(value)}
    return lacking <= {"test/roc_auc"}


def require_one_line(error: Exception, start: str, more: str = "") -> None:
    """Require that an error is told in one line that begins like this, with `more` in it."""
    line = one_line(error)
    assert line.startswith(start), line
    assert more in line, line
    assert line.isprintable()


def text_of(tables):
    console = Console(width=120)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return capture.get()
