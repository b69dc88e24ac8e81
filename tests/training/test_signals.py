"""A run that is asked to end saves itself between two steps, and goes on to the same bits."""

import os
import pty
import signal

import kills
import pytest
from kills import At

from unroll.runs import checkpoints

RUN = (
    *("logger=csv", "data.train_size=120", "data.valid_size=40", "data.test_size=40", "data.batch_size=16"),
    *("model.hidden_size=8", "trainer.max_epochs=2", "trainer.log_every=2", "model.dropout=0.3"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody stops: its values, and what it leaves."""
    folder = tmp_path_factory.mktemp("whole")
    values = {**kills.values_of(*RUN), "run_dir": "run"}
    kills.finished(values, folder)
    return values, kills.left(folder / "run")


@pytest.mark.parametrize(
    ("at", "number", "code", "step"),
    [
        (At("on_train_batch_end", 3), signal.SIGTERM, 75, 3),
        (At("on_train_batch_start", 5), signal.SIGUSR1, 75, 5),  # comes too late for this step
        (At("on_validation_batch_end", 1), signal.SIGUSR2, 75, 8),
        (At("on_validation_end", 1), signal.SIGHUP, 75, 8),
        (At("on_test_batch_start", 1), signal.SIGINT, 130, 16),
    ],
    ids=str,
)
def test_a_signal_ends_a_run_that_can_go_on(at, number, code, step, whole, tmp_path):
    values, left = whole
    assert kills.run(values, tmp_path, act=(at, number)) == code
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[-1] == f"stopped by {number.name} after step {step}; `unroll resume run` goes on from there"
    assert not (tmp_path / "run" / "results.json").exists()
    kills.finished(values, tmp_path, resume=True)
    assert not kills.differences(left, kills.left(tmp_path / "run"))
    assert not kills.leftovers(tmp_path / "run")


def test_ctrl_c_spares_the_workers_and_a_second_one_ends_at_once(whole, tmp_path):
    """A terminal sends it to all processes of a group."""
    values = {**kills.values_of(*RUN, "data.workers=2"), "run_dir": "run"}
    process = kills.halted(values, tmp_path, At("on_train_batch_end", 3))
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == 130, (tmp_path / "out").read_text()
    assert "stopped by SIGINT after step 3" in (tmp_path / "out").read_text()

    twice = (At("on_train_batch_start", 2), signal.SIGINT, signal.SIGINT)
    assert kills.run(values, tmp_path, resume=True, act=twice) == -signal.SIGINT
    kills.finished(values, tmp_path, resume=True)
    assert not kills.differences(whole[1], kills.left(tmp_path / "run"))


def test_a_terminal_that_is_closed_ends_a_run_that_can_go_on(tmp_path):
    values = {**kills.values_of(*RUN, "trainer.max_epochs=1000"), "run_dir": "run"}
    master, terminal = pty.openpty()
    process = kills.start(values, tmp_path, out=os.ttyname(terminal))
    printed = b""
    while b"epoch 2/" not in printed:
        printed += os.read(master, 1000)
    os.close(terminal)
    os.close(master)
    process.join()
    assert process.exitcode == 75
    assert checkpoints.is_whole(tmp_path / "run" / "checkpoints" / "last.ckpt")


def test_slurm_is_asked_once_to_start_the_job_again(whole, tmp_path):
    """By a stand-in for scontrol, which notes how it was called."""
    values, left = whole
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "scontrol").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "42"}
    for number in (signal.SIGTERM, signal.SIGUSR1):  # the first may be scancel
        act = (At("on_train_batch_end", 3), number)
        code = kills.run(values, tmp_path, act=act, environment=environment, resume=True)
        assert code == 75, (tmp_path / "out").read_text()
    assert (tmp_path / "asked").read_text() == "requeue 42\n"
    assert "SLURM job 42 is requeued" in (tmp_path / "out").read_text()
    # The command of the job is the same as before.
    kills.finished(values, tmp_path, environment={**environment, "SLURM_RESTART_COUNT": "1"})
    assert not kills.differences(left, kills.left(tmp_path / "run"))
