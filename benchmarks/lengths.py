"""The ways to stay exact on padded batches: frozen, packed and masked, in bucketed and in random batches."""

from collections.abc import Callable

import torch
from _timing import Spread, in_turns, ratio, table, timed
from matplotlib.figure import Figure
from torch import Tensor

from unroll.config.components import Padding
from unroll.config.registry import from_dict
from unroll.data.buckets import BucketedBatches
from unroll.nn.recurrence import Recurrence

CELLS = ("rnn", "gru", "lstm")
WAYS = (Padding.frozen, Padding.packed, Padding.masked)
KINDS = {"bucketed": 50, "random": 0}  # batches that are sorted together
BATCH_SIZE, SIZE = 32, 64
PLAN = {
    20: (10, 7),
    100: (5, 5),
    1000: (1, 2),
}  # mean length: batches, repeats (packed takes minutes at 1000)
QUICK = {20: (4, 3), 100: (2, 3)}

Batch = tuple[Tensor, Tensor]  # inputs (B, T, I) and lengths
Ratios = dict[str, Spread]


def run(quick: bool) -> tuple[str, Figure]:
    """One layer in both directions, with as many inputs as hidden units; lengths uniform in 1 … 2T - 1."""
    torch.set_num_threads(1)
    rows, training = [], {}
    for cell in CELLS:
        for mean, (count, repeats) in (QUICK if quick else PLAN).items():
            for kind, pool in KINDS.items():
                batches = draw_batches(mean, count, pool)
                recurrences = make_recurrences(cell, batches[0])
                forward = measure(run_forward, recurrences, batches, repeats)
                training[cell, mean, kind] = measure(run_training, recurrences, batches, repeats)
                real = f"{100 * share_of_real_steps(batches):.0f}%"
                rows.append([cell, mean, kind, real, *forward.values(), *training[cell, mean, kind].values()])
    others = [f"{way.value} / {WAYS[0].value}" for way in WAYS[1:]]
    columns = [f"{stage}: {other}" for stage in ("forward", "training") for other in others]
    caption = f"Batches of {BATCH_SIZE}, {SIZE} hidden units in each direction."
    return f"{caption}\n\n{table(['cell', 'mean T', 'batches', 'real steps', *columns], rows)}", draw(
        training
    )


def draw_batches(mean: int, count: int, pool: int) -> list[Batch]:
    """Random inputs in batches of near-equal lengths, or with a pool of 0 as chance has it.

    Of an epoch of 50 batches, every (50 / `count`)-th by length.
    """
    generator = torch.Generator().manual_seed(mean)
    lengths = torch.randint(1, 2 * mean, (50 * BATCH_SIZE,), generator=generator)
    epoch = [lengths[batch] for batch in BucketedBatches(lengths.tolist(), BATCH_SIZE, seed=1, pool=pool)]
    epoch.sort(key=lambda batch: int(batch.max()))
    step = len(epoch) // count
    return [
        (torch.randn(BATCH_SIZE, int(batch.max()), SIZE, generator=generator), batch)
        for batch in epoch[step // 2 :: step]
    ]


def share_of_real_steps(batches: list[Batch]) -> float:
    """Of all B·T steps, those that are not padding."""
    real = sum(int(lengths.sum()) for _, lengths in batches)
    return real / sum(inputs.shape[0] * inputs.shape[1] for inputs, _ in batches)


def make_recurrences(cell: str, batch: Batch) -> dict[str, Recurrence]:
    """One for each way, with the same weights; on the batch they must agree."""
    config = from_dict("model/cell", {"name": cell})
    recurrences = {way.value: Recurrence(config, SIZE, SIZE, bidirectional=True, padding=way) for way in WAYS}
    first = recurrences[WAYS[0].value]
    inputs, lengths = batch
    for other in recurrences.values():
        other.load_state_dict(first.state_dict())
        torch.testing.assert_close(
            other(inputs, lengths=lengths), first(inputs, lengths=lengths), atol=1e-5, rtol=1e-5
        )
    return recurrences


def measure(
    work: Callable[[Recurrence, list[Batch]], None],
    recurrences: dict[str, Recurrence],
    batches: list[Batch],
    repeats: int,
) -> Ratios:
    """The time of each way but the first, in times of the first."""
    seconds = in_turns({name: timed(work, module, batches) for name, module in recurrences.items()}, repeats)
    first, *others = seconds
    return {name: ratio(seconds[name], seconds[first]) for name in others}


@torch.no_grad()
def run_forward(recurrence: Recurrence, batches: list[Batch]) -> None:
    """Outputs of every batch."""
    for inputs, lengths in batches:
        recurrence(inputs, lengths=lengths)


def run_training(recurrence: Recurrence, batches: list[Batch]) -> None:
    """Gradients of every batch, through outputs and final states."""
    for inputs, lengths in batches:
        recurrence.zero_grad()
        outputs, final = recurrence(inputs, lengths=lengths)
        (outputs.sum() + sum(tensor.sum() for state in final for tensor in state)).backward()


def draw(training: dict[tuple[str, int, str], Ratios]) -> Figure:
    """Training, in times of the first way: one picture for each kind of batches."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(KINDS), sharey=True), KINDS, strict=True):
        ratios = {
            f"{cell}\n{mean}": taken for (cell, mean, other), taken in training.items() if other == kind
        }
        for offset, way in zip((-0.2, 0.2), WAYS[1:], strict=True):
            heights = [taken[way.value].median for taken in ratios.values()]
            axes.bar([i + offset for i in range(len(ratios))], heights, width=0.4, label=way.value)
        axes.set_xticks(range(len(ratios)), list(ratios))
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set(title=f"{kind} batches", xlabel="cell and mean T")
    figure.axes[0].set_ylabel(f"time of training / {WAYS[0].value}")
    figure.axes[0].legend()
    return figure
