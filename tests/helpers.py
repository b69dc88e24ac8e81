"""Small configs, models and batches that several tests build."""

from typing import Any

import torch

from unroll.batch import SequenceBatch
from unroll.data.collate import Sample, collate
from unroll.models.base import build_model
from unroll.models.seq2seq import Seq2Seq
from unroll.registry import from_dict
from unroll.spec import SPECIAL_TOKENS, Alignment, DataSpec, Kind, Signature


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


def small_seq2seq(spec: DataSpec | None = None, **values: Any) -> Seq2Seq:
    config = {
        "name": "seq2seq",
        "cell": {"name": "gru"},
        "attention": {"name": "dot"},
        "hidden_size": 8,
        "embedding_size": 5,
        **values,
    }
    model = build_model(
        from_dict("model", config),
        spec or token_spec(),
        from_dict("optimizer", {"name": "adam"}),
        from_dict("scheduler", {"name": "constant"}),
    )
    assert isinstance(model, Seq2Seq)
    return model.eval()


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
