"""The estimate of what training costs, against training itself."""

import math
import multiprocessing
import resource
from pathlib import Path

import lightning.pytorch as pl
import pytest

from unroll.config.compose import CONF, check, compose
from unroll.config.registry import from_dict
from unroll.cost import estimate, own_process
from unroll.cost.measure import measure
from unroll.cost.own_process import measure_in_own_process
from unroll.data.module import build_data
from unroll.errors import InputError, MissingEnvironmentError
from unroll.training.run import run
from unroll.training.usage import peak_resident_bytes, resident_bytes

SMALL = ("data.train_size=300", "data.valid_size=4", "data.test_size=4", "trainer.accelerator=cpu")
processes = multiprocessing.get_context("forkserver")


def checked(*overrides):
    return check(compose([*SMALL, *overrides]), CONF)


def data_of(*overrides):
    values = checked(*overrides)
    return build_data(from_dict("data", values["data"]), values["seed"])


def in_a_process(target, *arguments):
    """What a function sends that is called in a process of its own, which has done nothing before."""
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=target, args=(*arguments, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


class Growth(pl.Callback):
    """By how much this process grew in training, beside what it had loaded at the start."""

    def on_train_start(self, trainer, pl_module):
        self.before = resident_bytes()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.bytes = peak_resident_bytes() - self.before


def train(values, folder, sender):
    """A real run, after a tiny one, which loads all that training loads."""
    grown = Growth()
    tiny = {**values, "data": {**values["data"], "min_length": 2, "max_length": 4}}
    for number, each in enumerate((tiny, values)):
        run({**each, "run_dir": f"{folder}/{number}"}, callbacks=[grown])
    sender.send(grown.bytes)


def test_memory_is_that_of_real_training_within_a_quarter(tmp_path):
    lengths = ("data.min_length=200", "data.max_length=400", "data.train_size=192", "data.batch_size=32")
    quick = ("trainer.max_epochs=2", "logger=none", "trainer.progress_bar=false")
    values = checked("model=many_to_many", "model/cell=lstm", *lengths, *quick)
    predicted = measure_in_own_process(values).memory_bytes
    assert predicted > 1e8  # beside which what the kernel and malloc do is small
    assert predicted == pytest.approx(in_a_process(train, values, tmp_path), rel=0.25)


def little_memory(values, sender):
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + 300_000_000, resource.RLIM_INFINITY))
    sender.send(measure(values))


def test_what_does_not_fit_is_told_and_what_fits_is_measured():
    values = checked("model=many_to_many", "data.min_length=3000", "data.max_length=3000")
    found = in_a_process(little_memory, values)
    assert math.isinf(found.memory_bytes)
    assert math.isnan(found.batch_seconds)
    assert (found.batches, found.longest) == (5, 3000)
    assert found.counted_bytes is None or found.counted_bytes > 300_000_000
    ways = [estimate._way(name, found) for name in ("as configured", "another")]
    shown = estimate.Estimate(ways, estimate._summary(found, ways[0]))
    assert shown.summary == "As configured it needs more memory than is free."
    assert [cell for column in shown.table().columns for cell in column.cells].count("too much") == 2


def test_all_that_can_be_set_of_training_is():
    ways = ("data.workers=1", "trainer.truncate_steps=5", "trainer.accumulate=2", "optimizer=sgd")
    more = ("scheduler=plateau", "model.checkpoint_steps=-1", "trainer.limit_train_batches=2")
    found = measure_in_own_process(checked("model=many_to_many", "data.batch_size=5", *ways, *more))
    data = data_of("model=many_to_many", "data.batch_size=5")
    first = list(data.loader("train", shuffle=True).batch_sampler)[:2]
    lengths = [max(data.splits["train"].lengths[index] for index in batch) for batch in first]
    assert (found.batches, found.steps) == (2, sum(math.ceil(length / 5) for length in lengths))
    assert found.longest == max(lengths)
    assert found.counted_bytes is None  # with checkpointing
    assert 0 < found.memory_bytes < math.inf
    assert found.batch_seconds > 0


def test_what_is_wrong_with_the_data_or_the_way_is_told(tmp_path):
    values = checked("model=many_to_one", "trainer.truncate_steps=5")
    with pytest.raises(InputError, match=r"trainer\.truncate_steps=5: needs a target for each step"):
        estimate.estimate_run(values)


def test_a_process_that_the_system_ends_is_told(monkeypatch):
    monkeypatch.setattr(own_process, "_measure", end)
    with pytest.raises(MissingEnvironmentError, match="the system has killed the measuring process"):
        measure_in_own_process(checked("model=many_to_one"))


def end(values, sender):
    resource.setrlimit(resource.RLIMIT_CPU, (0, 0))
    while True:
        pass
