"""The cells of today against plain NumPy in float64, straight from the equations of their papers.

One sequence, one step, one head after another; exponential gates without their stabiliser, whose states are
compared in true units: times exp(m).
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from recurrences import MODERN, label, random_state, recurrence, small, ways


def sigma(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigma(x)


def softplus(x):
    return np.log(1 + np.exp(x))


def unit(x):
    """Vectors of length 1."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def normed(heads, weight):
    """RMS norm of each head (Zhang & Sennrich 2019, equation 4), side by side."""
    return np.concatenate([head / np.sqrt(np.mean(head**2) + 1e-6) for head in heads]) * weight


def affine(w, name, x):
    bias = w.get(f"{name}.bias", 0.0)
    return w[f"{name}.weight"] @ x + bias


def slstm(w, config, layer, x, state):
    """Beck et al. 2024, equations 8 to 14: no stabiliser."""
    h, c, n = state
    heads = np.split(h, config["heads"])
    recurrent = [block.T @ head for block, head in zip(w["recurrent"], heads, strict=True)]
    memory = [np.concatenate(parts) for parts in zip(*(np.split(all_, 4) for all_ in recurrent), strict=True)]
    i, f, z, o = (a + b for a, b in zip(np.split(affine(w, "gates", x), 4), memory, strict=True))
    i, f, z, o = np.exp(i), sigma(f), np.tanh(z), sigma(o)
    c = f * c + i * z
    n = f * n + i
    h = o * c / n
    return normed(np.split(h, config["heads"]), w["norm.weight"]), (h, c, n)


def mlstm(w, config, layer, x, state):
    """Beck et al. 2024, equations 19 to 27: no stabiliser."""
    queries, keys, values = (
        np.split(affine(w, name, x), config["heads"]) for name in ("query", "key", "value")
    )
    write, forget = np.split(affine(w, "gates", x), 2)
    heads, memories, normalisers = [], [], []
    for h, (memory, n) in enumerate(zip(*state, strict=True)):
        q, k, v = queries[h], keys[h] / np.sqrt(len(keys[h])), values[h]
        i, f = np.exp(write[h]), sigma(forget[h])
        memories.append(f * memory + i * np.outer(k, v))
        normalisers.append(f * n + i * k)
        heads.append(memories[-1].T @ q / max(abs(normalisers[-1] @ q), 1.0))
    outputs = sigma(affine(w, "output", x)) * normed(heads, w["norm.weight"])
    return outputs, (np.stack(memories), np.stack(normalisers))


def gated_delta(w, config, layer, x, state):
    """Yang, Kautz & Hatamizadeh 2024; Siems et al. 2025 for several writes."""
    heads, writes = config["heads"], config.get("householders", 1)
    queries = unit(silu(affine(w, "query", x)).reshape(heads, -1))
    keys = unit(silu(affine(w, "key", x)).reshape(writes, heads, -1))
    values = silu(affine(w, "value", x)).reshape(writes, heads, -1)
    betas = (2 if config.get("negative_eigenvalues") else 1) * sigma(affine(w, "beta", x))
    betas = betas.reshape(writes, heads)
    alphas = np.ones(heads)
    if config.get("decay", True):
        steps = softplus(affine(w, "decay.project", x) + w["decay.bias"])
        alphas = np.exp(-np.exp(w["decay.log_rate"]) * steps)
    outputs, after = [], []
    for h, memory in enumerate(state[0]):
        memory = alphas[h] * memory
        for write in range(writes):
            k, v, beta = keys[write, h], values[write, h], betas[write, h]
            memory = (np.eye(len(k)) - beta * np.outer(k, k)) @ memory + beta * np.outer(k, v)
        after.append(memory)
        outputs.append(memory.T @ queries[h] / np.sqrt(len(k)))
    return normed(outputs, w["norm.weight"]), (np.stack(after),)


def gla(w, config, layer, x, state):
    """Yang et al. 2023; Qin et al. 2024, with a lower bound."""
    if config.get("hgrn2"):
        alpha = layer / 2 + (1 - layer / 2) * sigma(affine(w, "forget", x))
        q, k = silu(affine(w, "query", x)), 1 - alpha
    else:
        low = w["forget.0.weight"] @ x
        alpha = sigma(affine(w, "forget.1", low)) ** (1 / config.get("temperature", 16.0))
        k = affine(w, "key", x)
        q = affine(w, "query", x) / np.sqrt(len(k) / config["heads"])
    q, k, v, alpha = (np.split(part, config["heads"]) for part in (q, k, affine(w, "value", x), alpha))
    memories = [np.diag(alpha[h]) @ memory + np.outer(k[h], v[h]) for h, memory in enumerate(state[0])]
    outputs = [memory.T @ q[h] for h, memory in enumerate(memories)]
    return normed(outputs, w["norm.weight"]), (np.stack(memories),)


def mamba2(w, config, layer, x, state):
    """Dao & Gu 2024: h′ = Ā h + B̄ x with Ā = exp(Δ A) and B̄ = Δ B, y = C h + D x."""
    size, heads = len(w["norm.weight"]), config["heads"]
    x, write, read, steps = np.split(
        w["project.weight"] @ x, np.cumsum([size, config["state_size"], config["state_size"]])
    )
    x, steps = np.split(x, heads), softplus(steps + w["step_bias"])
    memories, outputs = [], []
    for h, memory in enumerate(state[0]):
        rate = -np.exp(w["log_rate"][h])
        memories.append(np.exp(steps[h] * rate) * memory + steps[h] * np.outer(write, x[h]))
        outputs.append(memories[-1].T @ read + w["skip"][h] * x[h])
    return normed(outputs, w["norm.weight"]), (np.stack(memories),)


def rg_lru(w, config, layer, x, state):
    """De et al. 2024, equations 1 to 4; the first step of all is not scaled."""
    h, steps = state
    if "project.weight" in w:
        x = affine(w, "project", x)
    blocks = zip(w["weight"], w["bias"], np.split(x, config["heads"]), strict=True)
    gates = [np.split(weight.T @ part + bias, 2) for weight, bias, part in blocks]
    r, i = (sigma(np.concatenate(parts)) for parts in zip(*gates, strict=True))
    a = sigma(-w["rate"]) ** (8 * r)
    scale = 1.0 if steps == 0 else np.sqrt(1 - a**2)
    h = a * h + scale * (i * x)
    return h, (h, steps + 1)


def lru(w, config, layer, x, state):
    """Orvieto et al. 2023, with complex matrices B and C."""
    size = len(w["log_rate"])
    rotation = np.exp(-np.exp(w["log_rate"]) + 1j * np.exp(w["log_angle"]))
    write = w["write.weight"][:size] + 1j * w["write.weight"][size:]
    read = w["read.weight"][:, :size] - 1j * w["read.weight"][:, size:]
    skip = np.diag(w["skip"]) if w["skip"].ndim == 1 else w["skip"]
    h = rotation * state[0] + np.exp(w["log_scale"]) * (write @ x)
    return (read @ h).real + skip @ x, (h,)


STEPS = {
    "slstm": slstm,
    "mlstm": mlstm,
    "gated_delta": gated_delta,
    "gla": gla,
    "mamba2": mamba2,
    "rg_lru": rg_lru,
    "lru": lru,
}


def in_true_units(name, state):
    """What is kept times exp(−m) as it is, without m."""
    arrays = [tensor.detach().numpy() for tensor in state]
    if name not in ("slstm", "mlstm"):
        return tuple(arrays)
    *whole, m = arrays
    weight = np.exp(m)
    if name == "slstm":
        h, c, n = whole
        return h, weight * c, weight * n
    memory, n = whole
    return weight[..., None, None] * memory, weight[..., None] * n


CONFIGS = [
    *(config for config in MODERN if config["name"] in STEPS),
    small("gated_delta", decay=False),
    small("gated_delta", negative_eigenvalues=True),
    small("gated_delta", householders=2),
    small("gla", temperature=2.0),
    small("mamba2", state_size=5),
    small("lru", state_size=6, r_min=0.8, r_max=0.9, max_phase=0.5),
]


def by_hand(module, config, x, states):
    """One sequence (T, I) through all layers and directions: outputs (T, D·H), and final states."""
    finals, step = [], STEPS[config["name"]]
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(module.directions):
            index = layer * module.directions + direction
            weights = {name: p.detach().numpy() for name, p in module.cells[index].named_parameters()}
            now, steps = states[index], []
            for x_t in x[::-1] if direction else x:
                output, now = step(weights, config, layer, x_t, now)
                steps.append(output)
            outputs.append(np.stack(steps[::-1] if direction else steps))
            finals.append(now)
        x = np.concatenate(outputs, axis=1)
    return x, finals


@pytest.mark.parametrize("given", [False, True], ids=["own", "given"])
@pytest.mark.parametrize("config", CONFIGS, ids=label)
def test_a_batch_against_numpy_sequence_by_sequence(config, given):
    """Two layers in both directions, from their own initial state or a given one, in every way."""
    lengths = [5, 1, 18]
    x = torch.randn(3, 18, 3, dtype=torch.double)
    weights = None
    for way in ways(config):
        module = recurrence(config, num_layers=2, bidirectional=True, **way).double()
        weights = weights or module.state_dict()
        module.load_state_dict(weights)
        torch.manual_seed(1)
        state = random_state(module, 3, torch.double) if given else module.initial_state(x)
        with torch.no_grad():
            outputs, final = module(x, state, torch.tensor(lengths))
        starts, finals = ([in_true_units(config["name"], one) for one in many] for many in (state, final))
        for row, length in enumerate(lengths):
            own = [tuple(array[row] for array in arrays) for arrays in starts]
            expected, expected_final = by_hand(module, config, x[row, :length].numpy(), own)
            np.testing.assert_allclose(outputs[row, :length], expected, rtol=1e-10, atol=1e-10)
            for found, wanted in zip(finals, expected_final, strict=True):
                for one, other in zip(found, wanted, strict=True):
                    np.testing.assert_allclose(one[row], other, rtol=1e-10, atol=1e-10)


def test_every_cell_is_held_against_something():
    """A new cell has an oracle in this folder: here, or in a file of its own that is named here."""
    elsewhere = {"attention": "test_attention_cell.py", "tcn": "test_tcn.py"}
    assert {config["name"] for config in MODERN} == STEPS.keys() | elsewhere.keys()
    assert all((Path(__file__).parent / file).is_file() for file in elsewhere.values())
