"""On a GPU: a training step of a run against a bare one, sequences a second, and decoding."""

import contextlib
import copy
import dataclasses
import tempfile
from collections.abc import Sequence
from functools import partial

import torch
from _setup import adam, bare_step, load_config, make_batches, make_model
from _timing import in_turns, ratio, synchronised, table, timed
from decoding import STEPS, prepare
from overhead import WARMUP, lightning_epoch

from unroll.batch import SequenceBatch
from unroll.config.compose import CONF, check, compose
from unroll.config.root import TrainConfig
from unroll.models.base import SequenceModel
from unroll.nn.search import Method, SearchConfig
from unroll.training.run import run as train

SIZES = (64, 256, 1024)
AIM = 1.05  # the most that a step of a run may take, in bare steps with cuDNN


def run(quick: bool) -> str:
    """Tables for the machine's first GPU, which they name."""
    if not torch.cuda.is_available():
        return "This machine has no GPU that torch can use."
    parts = (steps_of_training(quick), sequences_a_second(quick), decoding(quick))
    return "\n\n".join((f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}.", *parts))


def steps_of_training(quick: bool) -> str:
    """All start from the same weights and take the same batches, as on the CPU."""
    steps, repeats = (50, 2) if quick else (200, 9)
    rows = []
    for size in SIZES:
        settings = load_config(
            *("trainer.accelerator=gpu", "trainer.max_epochs=1", "trainer.gradient_clip=1.0"),
            *(f"model.hidden_size={size}", f"data.train_size={64 * (WARMUP + steps + 1)}"),
        )
        batches, first = make_batches(settings), make_model(settings)
        contestants = {
            "bare": partial(bare_epoch, first, batches),
            "of a run": partial(epoch_of_a_run, first, batches, settings),
            "bare again": partial(bare_epoch, first, batches),
        }
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            seconds = in_turns(contestants, repeats)
        bare = seconds["bare"]
        rows.append([size, ratio(seconds["of a run"], bare), AIM, ratio(seconds["bare again"], bare)])
    return table(["hidden size", "run / bare", "aim: at most", "bare / bare"], rows)


def epoch_of_a_run(first: SequenceModel, batches: Sequence[SequenceBatch], settings: TrainConfig) -> float:
    """Seconds of the steps with all that a run puts around them."""
    return lightning_epoch(copy.deepcopy(first), batches, settings)


def bare_epoch(first: SequenceModel, batches: Sequence[SequenceBatch]) -> float:
    """Train on the batches, each copied to the GPU in its turn; the seconds as `lightning_epoch` counts."""
    model = copy.deepcopy(first).cuda()
    optimizer = adam(model)
    start = 0.0
    for number, batch in enumerate(batches[:-1]):
        if number == WARMUP:
            start = synchronised()
        bare_step(model, optimizer, batch.to("cuda", non_blocking=True))
    return synchronised() - start


def sequences_a_second(quick: bool) -> str:
    """What `make run` trains, on the GPU and on the CPU."""
    speeds = {}
    for accelerator in ("gpu", "cpu"):
        words = ["experiment=words", f"trainer.accelerator={accelerator}", "logger=none"]
        limits = ["trainer.max_epochs=1", f"trainer.limit_train_batches={50 if quick else 400}"]
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            values = {**check(compose([*words, *limits]), CONF), "run_dir": "run"}
            speeds[accelerator] = train(values)["sequences_per_second"]
    row = [f"{speeds['gpu']:,.0f}", f"{speeds['cpu']:,.0f}", f"{speeds['gpu'] / speeds['cpu']:.1f}"]
    return table(["sequences a second, GPU", "CPU", "GPU / CPU"], [row])


def decoding(quick: bool) -> str:
    """A batch of 64 sources on the GPU against the same on the CPU."""
    rows = []
    for size in SIZES:
        model, batch = prepare("gru", size)
        there = copy.deepcopy(model).cuda()
        greedy = SearchConfig(max_length=STEPS)
        beam = dataclasses.replace(greedy, method=Method.beam)
        seconds = in_turns(
            {
                f"{name} on {device}": timed(decode, one, batch.to(device), config)
                for name, config in (("greedy", greedy), ("beam", beam))
                for device, one in (("cpu", model), ("cuda", there))
            },
            2 if quick else 9,
        )
        found = (ratio(seconds[f"{name} on cpu"], seconds[f"{name} on cuda"]) for name in ("greedy", "beam"))
        rows.append([size, *found])
    return table(["hidden size", "greedy: CPU / GPU", "beam 5: CPU / GPU"], rows)


def decode(model: SequenceModel, batch: SequenceBatch, config: SearchConfig) -> None:
    """Decode to the end: the outputs are read."""
    model.decode(batch, config).to_lists()
