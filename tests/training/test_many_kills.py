"""A hundred kills at random moments, four in ten of them while a checkpoint is written. Ten minutes."""

import random
import signal
import time

import kills
import pytest
from kills import At
from test_resume import FALLING, LOADED, SAMPLING, SMALL

pytestmark = pytest.mark.slow

RUNS = [
    SAMPLING,
    (*SAMPLING, *LOADED, *FALLING),
    (*SAMPLING, "model/cell=lstm", "data.workers=2"),
    ("model=many_to_one", "model/cell=lstm", "trainer.accumulate=3", "scheduler=cosine"),
    ("model=many_to_one", "data.workers=2", "trainer.checkpoint_every_minutes=0.002"),
    ("model=many_to_one", "model/cell=min_gru", *LOADED),
    ("model=many_to_one", "model/cell=min_lstm", "trainer.max_steps=90", "trainer.validate_every=2"),
    ("model=many_to_many", "trainer.truncate_steps=7", *LOADED),
    ("model=many_to_many", "data=tagging", "model/embedding=spelling", "trainer.precision=bf16-mixed"),
    (
        *SAMPLING,
        "trainer.accumulate=3",
        "trainer.devices=2",
        "trainer.strategy=ddp",
        "trainer.accelerator=cpu",
    ),
]
KILLS = 10


@pytest.mark.parametrize("overrides", RUNS, ids=" ".join)
def test_ten_kills_change_no_bit(overrides, tmp_path):
    chance = random.Random(" ".join(overrides))
    values = {**kills.values_of(*SMALL, "trainer.max_epochs=12", *overrides), "run_dir": "whole"}
    begin = time.monotonic()
    assert ended(start(values, tmp_path)) == 0, (tmp_path / "out").read_text()
    longest = (time.monotonic() - begin) / 3
    whole = kills.left(tmp_path / "whole")

    number = killed = 0
    finished = False
    while killed < KILLS or not finished:
        run_dir = f"run{number}"
        act = None
        if killed % 5 < 2:
            act = (At(chance.choice(["written", "moved"]), chance.randint(1, 5)), signal.SIGKILL)
        processes = start({**values, "run_dir": run_dir}, tmp_path, act)
        if act is None and killed < KILLS:
            time.sleep(chance.uniform(0, longest))
            for process in processes:
                process.kill()
        code = ended(processes)
        assert code in (0, -signal.SIGKILL), (tmp_path / "out").read_text()
        finished = code == 0
        if finished:
            assert not kills.differences(whole, kills.left(tmp_path / run_dir))
            assert not kills.leftovers(tmp_path / run_dir)
            number += 1
        else:
            killed += 1


def start(values, folder, act=None):
    """One process or two; a run that is there goes on."""
    if values["trainer"]["devices"] == "2":
        return kills.start_two(values, folder, act)
    return [kills.start(values, folder, resume=True, act=act)]


def ended(processes):
    """The exit code of the first; the other cannot go on without it, and says so."""
    for process in processes:
        process.join()
    return processes[0].exitcode
