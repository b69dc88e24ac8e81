"""A training step of cells beside other implementations with the same weights, which must be installed.

make test-references                                # makes .venv-references
.venv-references/bin/python benchmarks/references.py [--quick]
"""

import argparse
import math
import os
from collections.abc import Callable
from importlib.metadata import version

import torch
import torch.nn.functional as F
from _timing import in_turns, ratio, table, timed
from torch import Tensor

from unroll.config.registry import build, from_dict
from unroll.nn.cells.base import Cell

BATCH, SIZE, HEADS = 8, 256, 4
TIMES = (256, 1024)
REPEATS = 5

Outputs = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="few repeats: to see that it runs, not to report"
    )
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    packages = ", ".join(f"{package} {version(package)}" for package in ("torch", "transformers", "xlstm"))
    print(f"{packages}; {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start.")
    rows = []
    for name, (cell_name, other) in OTHERS.items():
        torch.manual_seed(1)
        cell = build(from_dict("model/cell", {"name": cell_name, "heads": HEADS}), SIZE, SIZE)
        theirs = other(cell)
        rows.append(
            [cell_name, name, *(compared(cell, theirs, time, 2 if quick else REPEATS) for time in TIMES)]
        )
    print(f"\nBatches of {BATCH}, {SIZE} inputs and units, {HEADS} heads; training; theirs / ours.\n")
    print(table(["cell", "theirs", *(f"T = {time}" for time in TIMES)], rows))


def compared(cell: Cell, theirs: Outputs, time: int, repeats: int) -> object:
    """How many times as long theirs takes, once both have given the same outputs."""
    x = torch.randn(BATCH, time, SIZE)

    def ours(x: Tensor) -> Tensor:
        return cell.sequence(x, cell.initial_state(x))[0]

    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-3, rtol=1e-3)

    def train(outputs: Outputs) -> None:
        cell.zero_grad()
        outputs(x).sum().backward()

    taken = in_turns({"theirs": timed(train, theirs), "ours": timed(train, ours)}, repeats)
    return ratio(taken["theirs"], taken["ours"])


def by_head(x: Tensor) -> Tensor:
    """(batch, time, units) as (batch, heads, time, head)."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def qwen3_next(cell: Cell) -> Outputs:
    """Gated DeltaNet's rule as Qwen3-Next runs it without CUDA."""
    from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule

    def outputs(x: Tensor) -> Tensor:
        q, k, v = (
            F.silu(layer(x)).unflatten(-1, (HEADS, -1)) for layer in (cell.query, cell.key, cell.value)
        )
        q, k = (F.normalize(tensor, dim=-1) for tensor in (q, k))
        beta = torch.sigmoid(cell.beta(x))
        return cell.norm(torch_chunk_gated_delta_rule(q, k, v, cell.decay(x), beta)[0])

    return outputs


def mamba2(cell: Cell) -> Outputs:
    """The scan of Mamba-2, without its Triton kernels."""
    from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

    def outputs(x: Tensor) -> Tensor:
        value, write, read, size = cell.project(x).split(cell.sizes, dim=-1)
        return cell.norm(
            mamba2_chunk_scan(
                value.unflatten(-1, (HEADS, -1)),
                size,
                -cell.log_rate.exp(),
                write[:, :, None],
                read[:, :, None],
                chunk_size=64,
                D=cell.skip,
                dt_bias=cell.step_bias,
                dt_softplus=True,
            )
        )

    return outputs


def recurrent_gemma(cell: Cell) -> Outputs:
    """The RG-LRU of RecurrentGemma: a loop."""
    from transformers import RecurrentGemmaConfig
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRglru

    theirs = RecurrentGemmaRglru(RecurrentGemmaConfig(lru_width=SIZE, num_attention_heads=HEADS))
    with torch.no_grad():
        theirs.recurrent_param.copy_(cell.rate)
        for gates, weights in ((theirs.recurrent_gate_weight, 0), (theirs.input_gate_weight, 1)):
            gates.copy_(cell.weight.chunk(2, dim=-1)[weights])
        for gates, biases in ((theirs.recurrent_gate_bias, 0), (theirs.input_gate_bias, 1)):
            gates.copy_(cell.bias.chunk(2, dim=-1)[biases])

    def outputs(x: Tensor) -> Tensor:
        theirs.recurrent_states = None
        return theirs(x, torch.arange(x.shape[1]).expand(BATCH, -1))

    return outputs


def xlstm_chunks(cell: Cell) -> Outputs:
    """The mLSTM of the xlstm package in chunks."""
    from xlstm.blocks.mlstm.backends import chunkwise_simple

    def outputs(x: Tensor) -> Tensor:
        q, k, v = (by_head(layer(x)) for layer in (cell.query, cell.key, cell.value))
        write, forget = (gate.transpose(1, 2) for gate in cell.gates(x).chunk(2, dim=-1))
        scale, (memory, n, m) = math.sqrt(SIZE / HEADS), cell.initial_state(x)
        hidden, _ = chunkwise_simple(
            *(q, k, v, write, forget, scale * memory, scale * n, m),
            chunk_size=64,
            return_last_state=True,
            eps=0.0,
        )
        return torch.sigmoid(cell.output(x)) * cell.norm(hidden.transpose(1, 2))

    return outputs


def xlstm_loop(cell: Cell) -> Outputs:
    """The sLSTM of the xlstm package in plain PyTorch: a loop."""
    from xlstm.blocks.slstm.src.vanilla import slstm_forward, slstm_pointwise_function_registry

    def outputs(x: Tensor) -> Tensor:
        states, _, _ = slstm_forward(
            F.linear(x, cell.gates.weight).transpose(0, 1),
            x.new_zeros(4, len(x), SIZE),
            cell.recurrent.mT,
            cell.gates.bias,
            slstm_pointwise_function_registry["slstm"],
        )
        return cell.norm(states[0, 1:].transpose(0, 1).unflatten(-1, (HEADS, -1)))

    return outputs


OTHERS: dict[str, tuple[str, Callable[[Cell], Outputs]]] = {
    "transformers, Qwen3-Next": ("gated_delta", qwen3_next),
    "transformers, Mamba-2": ("mamba2", mamba2),
    "transformers, RecurrentGemma": ("rg_lru", recurrent_gemma),
    "xlstm, mLSTM in chunks": ("mlstm", xlstm_chunks),
    "xlstm, sLSTM": ("slstm", xlstm_loop),
}


if __name__ == "__main__":
    main()
