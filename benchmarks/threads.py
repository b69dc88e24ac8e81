"""One CPU thread against two, by size: what to set trainer.threads to."""

import os

import torch
from _setup import adam, bare_step, load_config, make_batches, make_model
from _timing import Spread, in_turns, ratio, table, timed

CELLS = ("lstm", "gru")


def run(quick: bool) -> str:
    """Training steps on batches of 64 sequences of the default data set."""
    steps, repeats = (3, 3) if quick else (15, 11)
    rows = [
        [hidden_size, *(measure(cell, hidden_size, steps, repeats) for cell in CELLS)]
        for hidden_size in (64, 128, 256, 512)
    ]
    torch.set_num_threads(1)
    cores = len(os.sched_getaffinity(0))
    caption = "" if cores > 1 else "This machine lends one core: the second thread has none of its own.\n\n"
    return caption + table(["hidden size", *(f"{cell}: two / one" for cell in CELLS)], rows)


def measure(cell: str, hidden_size: int, steps: int, repeats: int) -> Spread:
    """How long a step takes on two threads, in steps on one."""
    settings = load_config(
        f"model/cell={cell}", f"model.hidden_size={hidden_size}", f"data.train_size={64 * steps}"
    )
    batches = make_batches(settings)
    model = make_model(settings)
    optimizer = adam(model)

    def train(threads: int) -> None:
        torch.set_num_threads(threads)
        for batch in batches:
            bare_step(model, optimizer, batch)

    seconds = in_turns({"one": timed(train, 1), "two": timed(train, 2)}, repeats)
    return ratio(seconds["two"], seconds["one"])
