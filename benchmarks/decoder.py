"""The decoder as one fused call against a loop over its steps, in training."""

import torch
from _setup import cross_entropy, load_config, make_batches, make_model
from _timing import Spread, in_turns, ratio, table, timed

from unroll.batch import SequenceBatch
from unroll.models.base import SequenceModel

FUSED = 1.0
LOOP = 1 - 1e-12  # runs the loop, and still gives the true token at every step


def run(quick: bool) -> str:
    """Forward, loss and backward of the whole model; targets of 20 tokens and END."""
    steps, repeats = (2, 3) if quick else (10, 11)
    torch.set_num_threads(1)
    rows = [
        [cell, hidden_size, measure(cell, hidden_size, steps, repeats)]
        for cell in ("gru", "lstm")
        for hidden_size in (64, 256)
    ]
    return table(["cell", "hidden size", "loop / fused"], rows)


def measure(cell: str, hidden_size: int, steps: int, repeats: int) -> Spread:
    """How many times as long the loop takes."""
    settings = load_config(
        f"model/cell={cell}",
        f"model.hidden_size={hidden_size}",
        "data.min_length=20",
        "data.max_length=20",
        f"data.train_size={64 * steps}",
    )
    batches = make_batches(settings)
    model = make_model(settings)
    torch.testing.assert_close(
        cross_entropy(model, batches[0], LOOP), cross_entropy(model, batches[0], FUSED)
    )
    seconds = in_turns(
        {
            "fused": timed(forward_backward, model, batches, FUSED),
            "loop": timed(forward_backward, model, batches, LOOP),
        },
        repeats,
    )
    return ratio(seconds["loop"], seconds["fused"])


def forward_backward(model: SequenceModel, batches: list[SequenceBatch], teacher_forcing: float) -> None:
    """Gradients of every batch."""
    for batch in batches:
        model.zero_grad()
        cross_entropy(model, batch, teacher_forcing).backward()
