"""A step of training never waits for its device: it runs on the meta device, which has no numbers.

There every `.item()`, `bool(tensor)`, `.tolist()`, `.cpu()` and `nonzero()` of a tensor raises.
"""

import pytest
import torch
from conftest import entries
from helpers import any_batch, any_spec, small_model
from torch.utils._python_dispatch import TorchDispatchMode

from unroll.batch import on_host
from unroll.config import registry
from unroll.config.registry import build
from unroll.errors import NumericError
from unroll.models.finite import FiniteSteps
from unroll.spec import Alignment, Kind, Signature

STEPS = [
    (name, signature)
    for name in entries("model")
    for signature in registry.config_class("model", name).accepts
]
SCANNED = ("lru", "min_gru", "min_lstm", "rg_lru")
"""The parallel scan of these writes into slices, which the meta device cannot. It reads no number either."""

META = torch.device("meta")
VALUES = Signature(Kind.CONTINUOUS, Kind.CONTINUOUS, Alignment.STEP)


class Waits(TorchDispatchMode):
    """Counts what makes the host wait for a device."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        if operation in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.seen.append(operation.name())
        return operation(*arguments, **(options or {}))


def step(model, batch):
    """A step of training but for Lightning, and without reading its check, which comes a step later."""
    optimizer = build(model.optimizer_config, list(model.parameters()))
    steps = Deferred()
    steps.note(batch, model.loss(batch)).backward()
    steps.clip(model.parameters(), 1.0, 1)
    optimizer.step()


class Deferred(FiniteSteps):
    """On every device as on a GPU."""

    def is_deferred(self, fine):
        return True


def lengths_of(signature):
    return [1, 1, 1] if signature.inputs is Kind.CONTEXT else [3, 2, 4]


@pytest.mark.parametrize(("name", "signature"), STEPS, ids=str)
@pytest.mark.parametrize("padding", ["auto", "frozen", "masked", "packed"])
def test_a_step_of_every_model(name, signature, padding):
    spec = any_spec(signature.inputs, signature.targets, signature.alignment)
    model = small_model(name, spec, padding=padding, dropout=0.1).train().to(META)
    step(model, any_batch(spec, lengths_of(signature)).to(META))


@pytest.mark.parametrize("cell", entries("model/cell"))
def test_a_step_of_every_cell(cell):
    spec = any_spec(VALUES.inputs, VALUES.targets, VALUES.alignment)
    how = {"execution": "loop" if cell in SCANNED else "auto", "bidirectional": True}
    model = small_model("many_to_many", spec, cell={"name": cell}, **how).train().to(META)
    step(model, any_batch(spec, [3, 2, 4]).to(META))


def test_sampled_teacher_forcing_does_not_wait_either():
    for name in ("seq2seq", "seq2seq_continuous"):
        signature = registry.config_class("model", name).accepts[0]
        spec = any_spec(signature.inputs, signature.targets, signature.alignment)
        model = small_model(name, spec, teacher_forcing={"ratio": 0.5}).train().to(META)
        step(model, any_batch(spec, [3, 2, 4]).to(META))


def test_the_meta_device_tells_what_would_wait():
    tensor = torch.ones(3, device=META)
    for wait in (lambda: bool(tensor.all()), tensor.sum().item, tensor.tolist, tensor.cpu):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait()


def test_the_numbers_of_a_batch_are_known_on_the_host():
    spec = any_spec(VALUES.inputs, VALUES.targets, VALUES.alignment)
    batch = any_batch(spec, [3, 2, 4])
    there = batch.to(META)
    assert on_host(there.lengths) is batch.lengths
    assert on_host(batch.lengths) is batch.lengths
    with pytest.raises(NotImplementedError):
        on_host(there.lengths + 0)


def test_on_the_cpu_a_step_reads_its_check_and_nothing_else():
    spec = any_spec(VALUES.inputs, VALUES.targets, VALUES.alignment)
    model = small_model("many_to_many", spec).train()
    batch = any_batch(spec, [3, 2, 4])
    with Waits() as waits:
        model.finite_steps.note(batch, model.loss(batch)).backward()
        model.finite_steps.clip(model.parameters(), 1.0, 1)
    assert waits.seen == ["aten::nonzero", "aten::_local_scalar_dense"]  # of the mask, and of the check


@pytest.mark.parametrize("then", ["the next step", "a validation", "a checkpoint"])
def test_a_nan_is_told_with_its_step_also_a_step_later(then):
    spec = any_spec(VALUES.inputs, VALUES.targets, VALUES.alignment)
    model = small_model("many_to_many", spec).train()
    model.finite_steps = Deferred()
    batch = any_batch(spec, [3, 2, 4])
    batch.inputs[1, 0, 0] = torch.nan
    model.finite_steps.note(batch, model.loss(batch)).backward()
    assert model.finite_steps.clip(model.parameters(), 1.0, 7) is None
    told = r"train/loss=nan at step 7, of the training samples 0, 1, 2; no checkpoint holds that step\. Try"
    later = {
        "the next step": lambda: model.finite_steps.clip(model.parameters(), 1.0, 8),
        "a validation": model.on_validation_start,
        "a checkpoint": lambda: model.on_save_checkpoint({}),
    }
    with pytest.raises(NumericError, match=told):
        later[then]()
