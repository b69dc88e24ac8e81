"""The engines of matrix-valued states: chunks of steps against the recurrence as it is written."""

import pytest
import torch
import torch.nn.functional as F

from unroll.nn.engines.decay import decay_chunks, decay_loop
from unroll.nn.engines.delta import delta_chunks, delta_loop

HEADS, KEY, VALUE = 2, 5, 3
LENGTHS = [1, 2, 15, 16, 17, 63, 64, 65, 300]


def tensors(engine, time, dtype=torch.float64, strength=0.5, batch=2):
    """Keys of length 1, values, gates and an initial state, in the order that the engine takes them."""
    heads = 1 if engine == "shared keys" else HEADS
    q, k = (torch.randn(batch, time, heads, KEY, dtype=dtype) for _ in range(2))
    v = torch.randn(batch, time, HEADS, VALUE, dtype=dtype)
    channels = (KEY,) if engine == "channels" else ()
    g = -strength * torch.rand(batch, time, HEADS, *channels, dtype=dtype)
    initial = torch.randn(batch, HEADS, KEY, VALUE, dtype=dtype)
    k = F.normalize(k, dim=-1)
    beta = (2 * torch.rand(batch, time, HEADS, dtype=dtype),) if engine == "delta" else ()
    return [tensor.requires_grad_() for tensor in (q, k, v, *beta, g, initial)]


FORMS = {
    "head": (decay_loop, decay_chunks),
    "shared keys": (decay_loop, decay_chunks),
    "channels": (decay_loop, decay_chunks),
    "delta": (delta_loop, delta_chunks),
}
every_engine = pytest.mark.parametrize("engine", FORMS)


def results(form, arguments):
    """Outputs, final state and the gradients of all arguments."""
    outputs, final = form(*arguments)
    loss = outputs.sin().mean() + final.sin().mean()
    return outputs, final, *torch.autograd.grad(loss, arguments)


def relative(found, wanted):
    """The largest difference, in units of the largest number of each tensor."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(found, wanted, strict=True))


@every_engine
@pytest.mark.parametrize("time", LENGTHS)
@pytest.mark.parametrize(("dtype", "most"), [(torch.float64, 1e-10), (torch.float32, 1e-4)], ids=str)
def test_chunks_equal_the_loop_with_gradients(engine, time, dtype, most):
    arguments = tensors(engine, time, dtype)
    loop, chunks = (results(form, arguments) for form in FORMS[engine])
    assert relative(chunks, loop) < most


def test_shared_keys_are_those_of_each_head():
    q, k, *others = tensors("shared keys", 70)
    expanded = [keys.expand(-1, -1, HEADS, -1) for keys in (q, k)]
    for form in FORMS["head"]:
        assert relative(form(q, k, *others), form(*expanded, *others)) < 1e-10


@every_engine
def test_at_4096_steps(engine):
    arguments = tensors(engine, 4096, torch.float32, strength=0.05, batch=1)
    loop, chunks = (results(form, arguments) for form in FORMS[engine])
    assert relative(chunks, loop) < 1e-4


@every_engine
@pytest.mark.parametrize("chunk", [1, 2, 7, 16, 33, 100])
def test_any_size_of_a_chunk(engine, chunk):
    arguments = tensors(engine, 33)
    loop, chunks = FORMS[engine]
    found = results(lambda *given: chunks(*given, chunk=chunk), arguments)
    assert relative(found, results(loop, arguments)) < 1e-10


@every_engine
def test_a_state_carried_across_a_cut(engine):
    *steps, initial = tensors(engine, 40)
    for form in FORMS[engine]:
        outputs, final = form(*steps, initial)
        first, middle = form(*(tensor[:, :17] for tensor in steps), initial)
        second, last = form(*(tensor[:, 17:] for tensor in steps), middle)
        torch.testing.assert_close(torch.cat([first, second], dim=1), outputs)
        torch.testing.assert_close(last, final)


@every_engine
@pytest.mark.parametrize("strength", [0.0, 50.0, 1e4])
def test_decays_from_none_to_all_at_once_overflow_nothing(engine, strength):
    arguments = tensors(engine, 130, torch.float32, strength)
    loop, chunks = (results(form, arguments) for form in FORMS[engine])
    assert all(tensor.isfinite().all() for tensor in chunks)
    assert relative(chunks[:2], loop[:2]) < 1e-4


@every_engine
def test_a_step_that_writes_nothing_and_does_not_decay_changes_no_bit(engine):
    """It is what padding is made of."""
    *steps, initial = (tensor.detach() for tensor in tensors(engine, 20, torch.float32))
    for form in FORMS[engine]:
        outputs, final = form(*steps, initial)
        padded = [F.pad(tensor, (*[0, 0] * (tensor.ndim - 2), 0, 9)) for tensor in steps]
        longer, after = form(*padded, initial)
        torch.testing.assert_close(longer[:, :20], outputs)
        torch.testing.assert_close(after, final)
    still = [torch.zeros_like(tensor) for tensor in steps]
    for form in FORMS[engine]:
        assert torch.equal(form(*still, initial)[1], initial)


@every_engine
def test_gradients_of_each_sample_by_vmap(engine):
    arguments = [tensor.detach() for tensor in tensors(engine, 20, batch=3)]

    def loss(form, *sample):
        outputs, final = form(*(tensor[None] for tensor in sample))
        return outputs.sin().sum() + final.sin().sum()

    for form in FORMS[engine]:
        per_sample = torch.func.vmap(torch.func.grad(lambda *sample, form=form: loss(form, *sample)))
        found = per_sample(*arguments)
        for row in range(3):
            sample = [tensor[row].requires_grad_() for tensor in arguments]
            (wanted,) = torch.autograd.grad(loss(form, *sample), sample[:1])
            torch.testing.assert_close(found[row], wanted)


@every_engine
def test_half_precision_and_autocast_compute_in_float32(engine):
    arguments = [tensor.detach().bfloat16() for tensor in tensors(engine, 40)]
    for form in FORMS[engine]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs, final = form(*arguments)
        assert outputs.dtype == final.dtype == torch.float32
        wanted, _ = form(*(tensor.float() for tensor in arguments))
        torch.testing.assert_close(outputs, wanted)


@every_engine
def test_gradients_against_finite_differences(engine):
    arguments = tensors(engine, 5, batch=1)
    for form in FORMS[engine]:
        assert torch.autograd.gradcheck(form, arguments)


def test_a_key_of_length_1_is_replaced_and_reflected():
    """β = 1 puts v in the place of what stood under k; β = 2 turns it to 2 v less what stood there."""
    k = F.normalize(torch.randn(1, 1, 1, KEY), dim=-1)
    v, initial = torch.randn(1, 1, 1, VALUE), torch.randn(1, 1, KEY, VALUE)
    nothing = torch.zeros(1, 1, 1)
    before = torch.einsum("k,kv->v", k[0, 0, 0], initial[0, 0])
    for beta, wanted in ((1.0, v[0, 0, 0]), (2.0, 2 * v[0, 0, 0] - before)):
        outputs, _ = delta_chunks(k, k, v, torch.full((1, 1, 1), beta), nothing, initial)
        torch.testing.assert_close(outputs[0, 0, 0], wanted)
