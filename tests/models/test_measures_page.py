"""docs/measures.md names everything that a model reports."""

import dataclasses
import re

import pytest
from conftest import ROOT
from helpers import NESTED, any_batch, any_spec, small_model
from torch.utils.data import DataLoader

from unroll.config import registry
from unroll.spec import Alignment, Kind
from unroll.training.bare_trainer import bare_trainer, quiet

REPORTED = [
    (name, signature) for name in NESTED for signature in registry.config_class("model", name).accepts
]


def spec_of(signature):
    """A spec with which a model reports all that it can."""
    spec = any_spec(signature.inputs, signature.targets, signature.alignment)
    if signature.targets is Kind.CLASSES and signature.alignment is Alignment.STEP:
        return dataclasses.replace(spec, target_vocabulary=("B-x", "B-y", "I-x", "O"))
    if signature.targets is Kind.CONTINUOUS and signature.inputs is Kind.CONTINUOUS:
        horizon = 5 if signature.alignment is Alignment.UNALIGNED else 1
        forecast = {"target_inputs": (0, 1, 2, 0), "horizon": horizon, "season": 2}
        forecast |= {"naive_error": (1.0,) * 4}
        return dataclasses.replace(spec, **forecast)
    return spec


def reported(name, signature):
    spec = spec_of(signature)
    batch = any_batch(spec, [1] * 3 if signature.inputs is Kind.CONTEXT else [3, 1, 4])
    with quiet():
        loader = DataLoader([batch], batch_size=None)
        found = bare_trainer(accelerator="cpu").test(small_model(name, spec), loader, verbose=False)[0]
    return {key.removeprefix("test/") for key in found}


@pytest.mark.parametrize(("name", "signature"), REPORTED, ids=lambda value: str(value).replace(" → ", " to "))
def test_the_page_names_every_measure(name, signature):
    page = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`[^|]*)\|", page, re.MULTILINE))))
    names = reported(name, signature)
    assert names
    assert names <= named
    if signature.targets is Kind.TOKENS:
        assert ({"bleu", "chrf"} <= names) == (signature.inputs is Kind.TOKENS)
    if signature.targets is Kind.CLASSES:
        assert ("span_f1" in names) == (signature.alignment is Alignment.STEP)
