"""Cells with the weights of other implementations: the authors', or well-kept ones. make test-references

Each test prints by how much outputs and final states differ at most, over 150 steps (more than two chunks),
in units of the largest number. Theirs compute in float32 where float64 is not named; ours does as they do.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from recurrences import make_cell, random_state_of, small

pytestmark = pytest.mark.references

BATCH, STEPS, SIZE, HEADS = 3, 150, 16, 2
FLOAT32, FLOAT64 = 2e-5, 1e-10


@pytest.fixture
def show(capsys):
    """Prints the largest difference of what was found from what is wanted, and asserts that it is small."""

    def shown(cell, held_against, found, wanted, most):
        differences = [
            ((one - other).abs().max() / other.abs().max()).item()
            for one, other in zip(found, wanted, strict=True)
        ]
        with capsys.disabled():
            print(f"\n| `{cell}` | {held_against} | {max(differences):.0e} |", end=" ")
        assert max(differences) < most

    return shown


def given(name, dtype=torch.float32, **options):
    """A cell, inputs of its own hidden size, and a state."""
    cell = make_cell(small(name, **options), SIZE, SIZE).to(dtype)
    x = torch.randn(BATCH, STEPS, SIZE, dtype=dtype)
    return cell, x, random_state_of(cell, BATCH, dtype)


def by_head(x):
    """(batch, time, units) as (batch, heads, time, head)."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


@torch.no_grad()
@pytest.mark.parametrize("start", ["own", "given"])
def test_slstm(show, start):
    from xlstm.blocks.slstm.src.vanilla import slstm_forward, slstm_pointwise_function_registry

    cell, x, state = given("slstm", torch.float64)
    before = torch.stack(state)
    if start == "own":
        state, before = cell.initial_state(x), torch.zeros_like(before)
    states, last, _ = slstm_forward(
        F.linear(x, cell.gates.weight).transpose(0, 1),
        before,
        cell.recurrent.mT,
        cell.gates.bias,
        slstm_pointwise_function_registry["slstm"],
    )
    theirs = cell.norm(states[0, 1:].transpose(0, 1).unflatten(-1, (HEADS, -1)))
    outputs, final = cell.sequence(x, state)
    show(
        "slstm",
        f"xlstm, `slstm_forward`, float64, {start} state",
        [outputs, *final],
        [theirs, *last],
        FLOAT64,
    )


@torch.no_grad()
@pytest.mark.parametrize("form", ["parallel", "chunkwise", "recurrent"])
def test_mlstm(show, form):
    from xlstm.blocks.mlstm import backends

    cell, x, state = given("mlstm", torch.float64)
    q, k, v = (by_head(layer(x)) for layer in (cell.query, cell.key, cell.value))
    write, forget = (gate.transpose(1, 2) for gate in cell.gates(x).chunk(2, dim=-1))
    states = []
    if form == "parallel":
        hidden = backends.parallel_stabilized_simple(q, k, v, write[..., None], forget[..., None], eps=0.0)
        outputs, _ = cell.sequence(x, cell.initial_state(x))
    elif form == "chunkwise":  # which scales queries and not keys, so that its memory is √K as large
        scale, (memory, n, m) = math.sqrt(SIZE / HEADS), state
        arguments = q, k, v, write, forget, scale * memory, scale * n, m
        hidden, (memory, n, m) = backends.chunkwise_simple(
            *arguments, chunk_size=50, return_last_state=True, eps=0.0
        )
        outputs, final = cell.sequence(x, state)
        states = list(zip(final, (memory / scale, n / scale, m.reshape(BATCH, HEADS)), strict=True))
    else:
        memory, n, m = state
        theirs, steps = (memory, n[..., None], m[..., None, None]), []
        for t in range(STEPS):
            one = (tensor[:, :, t : t + 1].clone() for tensor in (q, k, v))
            gates = (tensor[:, :, t, None, None] for tensor in (write, forget))
            step, theirs = backends.recurrent_step_stabilized_simple(*theirs, *one, *gates, eps=0.0)
            steps.append(step)
        hidden = torch.cat(steps, dim=2)
        outputs, final = cell.sequence(x, state)
        states = [(one, other.reshape(one.shape)) for one, other in zip(final, theirs, strict=True)]
    wanted = torch.sigmoid(cell.output(x)) * cell.norm(hidden.transpose(1, 2))
    found = [outputs, *(one for one, _ in states)]
    wanted = [wanted, *(other for _, other in states)]
    start = "own" if form == "parallel" else "given"
    show("mlstm", f"xlstm, {form} form, float64, {start} state", found, wanted, FLOAT64)


@torch.no_grad()
@pytest.mark.parametrize(
    "options",
    [{}, {"decay": False}, {"negative_eigenvalues": True}],
    ids=["gated_deltanet", "deltanet", "negative"],
)
def test_gated_delta(show, options):
    from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule

    cell, x, state = given("gated_delta", **options)
    q, k, v = (F.silu(layer(x)).unflatten(-1, (HEADS, -1)) for layer in (cell.query, cell.key, cell.value))
    beta = (2 if options.get("negative_eigenvalues") else 1) * torch.sigmoid(cell.beta(x))
    decay = torch.zeros_like(beta) if cell.decay is None else cell.decay(x)
    hidden, last = torch_chunk_gated_delta_rule(
        F.normalize(q, dim=-1),
        F.normalize(k, dim=-1),
        v,
        decay,
        beta,
        initial_state=state[0],
        output_final_state=True,
    )
    outputs, final = cell.sequence(x, state)
    name = "gated_delta" + "".join(f" {key}={str(value).lower()}" for key, value in options.items())
    theirs = "transformers, `torch_chunk_gated_delta_rule` of Qwen3-Next"
    show(name, theirs, [outputs, *final], [cell.norm(hidden), last], FLOAT32)


@torch.no_grad()
def test_mamba2(show):
    from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

    cell, x, state = given("mamba2")
    value, write, read, size = cell.project(x).split(cell.sizes, dim=-1)
    hidden, last = mamba2_chunk_scan(
        value.unflatten(-1, (HEADS, -1)),
        size,
        -cell.log_rate.exp(),
        write[:, :, None],
        read[:, :, None],
        chunk_size=32,
        D=cell.skip,
        dt_bias=cell.step_bias,
        initial_states=state[0].mT,
        dt_softplus=True,
        return_final_states=True,
    )
    outputs, final = cell.sequence(x, state)
    theirs = "transformers, `mamba2_chunk_scan`"
    show("mamba2", theirs, [outputs, *final], [cell.norm(hidden), last.mT], FLOAT32)


@torch.no_grad()
@pytest.mark.parametrize("start", ["own", "given"])
def test_rg_lru(show, start):
    from transformers import RecurrentGemmaConfig
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRglru

    cell, x, (h, steps) = given("rg_lru")
    theirs = RecurrentGemmaRglru(RecurrentGemmaConfig(lru_width=SIZE, num_attention_heads=HEADS))
    theirs.recurrent_param.copy_(cell.rate)
    recurrence, write = cell.weight.chunk(2, dim=-1)
    theirs.recurrent_gate_weight.copy_(recurrence)
    theirs.input_gate_weight.copy_(write)
    recurrence, write = cell.bias.chunk(2, dim=-1)
    theirs.recurrent_gate_bias.copy_(recurrence)
    theirs.input_gate_bias.copy_(write)
    state = cell.initial_state(x) if start == "own" else (h, torch.full_like(steps, 7))
    if start == "given":
        theirs.recurrent_states = h
    hidden = theirs(x, torch.arange(STEPS).expand(BATCH, -1) + (7 if start == "given" else 0))
    outputs, (last, _) = cell.sequence(x, state)
    name = f"transformers, `RecurrentGemmaRglru`, {start} state"
    show("rg_lru", name, [outputs, last], [hidden, theirs.recurrent_states], FLOAT32)
