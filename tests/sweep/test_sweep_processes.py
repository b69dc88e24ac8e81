"""Sweeps as a person starts them: trials in processes of their own, and all that can happen to those."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from sweeps import TINY, the_sweep, trials

TROUBLED = str(ROOT / "tests" / "troubled_train.py")
ENDLESS = ["trainer.max_epochs=100000", "trainer.progress_bar=false"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def command(*arguments, script=str(ROOT / "train.py")):
    return [sys.executable, script, "-m", *TINY, *arguments]


def sweep(*arguments, **options):
    return subprocess.run(
        command(*arguments, **options), capture_output=True, text=True, check=False, timeout=600
    )


def start(*arguments, **options):
    return subprocess.Popen(
        command(*arguments, **options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores interrupts, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_until(holds, process, seconds=300):
    """Wait for a condition, but no longer than a process lives."""
    end = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def living_processes_here():
    """What else runs in this test's folder."""
    here = Path.cwd().stat()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            folder = (process / "cwd").stat()
        except OSError:
            continue
        if (folder.st_ino, folder.st_dev) == (here.st_ino, here.st_dev) and is_alive(process.name):
            found.append(int(process.name))
    return set(found) - {os.getpid()}


def is_alive(pid):
    """Whether there is such a process, and not only its exit code that nobody has asked for."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def assert_nothing_is_left_running():
    end = time.monotonic() + 60  # the process that trials are forked from may be importing still
    while living_processes_here() and time.monotonic() < end:
        time.sleep(0.1)
    assert living_processes_here() == set()


def epochs_of(number):
    path = Path("outputs/sweeps")
    return [
        line
        for file in path.glob(f"*/{number:04d}/output.txt")
        for line in file.read_text().splitlines()
        if line.startswith("epoch ")
    ]


def test_trials_that_go_wrong_are_told_and_the_sweep_goes_on():
    """Raises, exits, dies, is killed, runs out of memory, does not end."""
    options = ["sweep.n_jobs=2", "sweep.minutes=0.1", "trainer.threads=64"]
    done = sweep("seed=1,11,12,13,14,15,16", *options, script=TROUBLED)
    assert done.returncode == 1
    assert done.stderr.startswith("error: 6 of 7 trials failed: 0001, 0002, 0003, 0004, 0005, 0006; the reas")
    assert done.stderr.count("\n") == 1
    ends = [(trial["state"], trial["exit_code"], trial["reason"]) for trial in trials()]
    assert ends == [
        ("finished", None, None),
        ("failed", 1, "ValueError: no such luck"),
        ("failed", 7, "it exited with code 7"),
        ("failed", 8, "it exited with code 8"),
        ("killed", -9, "it was killed by SIGKILL; perhaps memory ran out"),
        ("failed", 1, "MemoryError"),
        ("timed_out", -9, "it took longer than sweep.minutes"),
    ]
    for trial in trials():
        assert f"{trial['number']:04d}  {trial['state']}" in done.stdout
        assert trial["reason"] is None or trial["reason"] in done.stdout
    assert done.stdout.count("trainer.threads=64: with sweep.n_jobs=2 each process gets ") == 1
    assert "no such luck\nand more" in (the_sweep() / "0001" / "output.txt").read_text()
    assert trials()[6]["seconds"] > 6
    for pid in (the_sweep() / "0006" / "pids").read_text().split():
        assert not is_alive(pid)
    config = (the_sweep() / "0000" / "config.yaml").read_text()
    cores = len(os.sched_getaffinity(0))
    assert f"threads: {max(1, cores // 2)}\n" in config
    assert_nothing_is_left_running()


@pytest.mark.slow
def test_a_sweep_that_is_stopped_or_killed_goes_on_where_it_was():
    arguments = ["seed=1,2,3", "trainer.max_epochs=4", "sweep.name=mine"]
    once = start(*arguments, "trainer.accumulate=1")
    wait_until(
        lambda: trials() and trials()[0]["state"] == "finished" if Path("outputs").exists() else False, once
    )
    once.send_signal(signal.SIGKILL)
    once.communicate()
    assert_nothing_is_left_running()
    results = the_sweep() / "0000" / "results.json"
    written = results.stat().st_mtime_ns

    again = start(*arguments)
    out, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    assert "3 trials, 1 of them done" in out
    assert results.stat().st_mtime_ns == written
    assert [trial["state"] for trial in trials()] == ["finished"] * 3
    assert [trial["number"] for trial in trials()] == [0, 1, 2]
    assert all(
        json.loads((the_sweep() / f"{n:04d}" / "results.json").read_text())["epochs"] == 4 for n in range(3)
    )

    nothing = sweep(*arguments)
    assert nothing.returncode == 0
    assert "3 of them done" in nothing.stdout
    assert len(re.findall(r"│ 000\d ", nothing.stdout)) == 3


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_sweep_that_is_asked_to_stop_saves_its_trials(number, code):
    arguments = ["seed=1,2", "sweep.n_jobs=2", *ENDLESS]
    process = start(*arguments)
    wait_until(lambda: len(epochs_of(0)) > 2 and len(epochs_of(1)) > 2, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "stopped; the same command runs what is missing: python " in err
    assert "Traceback" not in err
    assert_nothing_is_left_running()
    assert [trial["state"] for trial in trials()] == ["running"] * 2
    before = len(epochs_of(0))

    process = start(*arguments)
    wait_until(lambda: len(epochs_of(0)) > before, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    first, following = epochs_of(0)[before - 1], epochs_of(0)[before]
    assert int(following.split()[1].partition("/")[0]) == int(first.split()[1].partition("/")[0]) + 1
    assert_nothing_is_left_running()


def test_every_process_of_a_trial_has_that_trials_hyperparameters():
    lines = ["optimizer.lr=1e-3,1e-2", "trainer.devices=2", "trainer.accelerator=cpu", "trainer.strategy=ddp"]
    done = sweep(*lines, "logger=wandb", "sweep.pruner=median", script=TROUBLED)
    assert done.returncode == 0, done.stderr
    for number, lr in ((0, 1e-3), (1, 1e-2)):
        folder = the_sweep() / f"{number:04d}"
        seen = [json.loads((folder / f"rank_{rank}.json").read_text()) for rank in (0, 1)]
        for each in seen:
            assert each["values"]["optimizer"]["lr"] == lr
            assert each["values"]["run_dir"] == str(folder)
            assert each["threads"] == "1"
        assert seen[0]["argv"] == seen[1]["argv"]
        assert "-m" not in seen[0]["argv"]
        assert not (folder / "rank_2.json").exists()
    assert sorted(path.name for path in the_sweep().glob("0*")) == ["0000", "0001"]
    runs = sorted(Path("outputs/wandb").glob("offline-run-*"))
    assert len(runs) == 2
    for run, label in zip(runs, (b"lr=0.001", b"lr=0.01"), strict=True):
        record = next(run.glob("*.wandb")).read_bytes()
        assert label in record
        assert the_sweep().name.encode() in record
    assert_nothing_is_left_running()


def test_bad_trials_are_pruned_and_count_as_no_failures():
    rates = "optimizer.lr=1e-2,2e-2,3e-2,4e-2,5e-2,1e-9"
    done = sweep(rates, "trainer.max_epochs=5", "sweep.pruner=median")
    assert done.returncode == 0, done.stderr
    assert [trial["state"] for trial in trials()] == ["finished"] * 5 + ["pruned"]
    assert not (the_sweep() / "0005" / "results.json").exists()
    assert len(epochs_of(0)) == 5
    assert len(epochs_of(5)) < 5
    again = sweep(rates, "trainer.max_epochs=5", "sweep.pruner=median")
    assert again.returncode == 0
    assert "6 trials, 6 of them done" in again.stdout


@pytest.mark.slow
def test_two_commands_at_once_share_a_grid():
    processes = [start("seed=1,2,3,4,5") for _ in range(2)]
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    ended = re.findall(r"^\d/5  (\d+)  finished", "\n".join(outputs), re.MULTILINE)
    assert sorted(ended) == ["0000", "0001", "0002", "0003", "0004"]
    for output in outputs:  # whoever was done first has waited for the other
        assert len(re.findall(r"│ 000\d .* finished", output)) == 5


@pytest.mark.slow
def test_a_folder_for_temporary_files_may_have_a_long_name(monkeypatch):
    """Sockets may not: of the sweep with its trials, nor of a run with its loader workers."""
    temporary = Path.cwd() / ("long-" * 20)
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    done = sweep("seed=1,2", "data.workers=2")
    assert done.returncode == 0, done.stderr
    assert [trial["state"] for trial in trials()] == ["finished"] * 2
    alone = [word for word in command("data.workers=2") if word != "-m"]
    done = subprocess.run(alone, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert list(temporary.iterdir()) == []
    assert_nothing_is_left_running()


def test_trials_at_once_have_loader_workers_of_their_own():
    """Forked by the trials, whatever started those: a fork server could not be handed a large data set."""
    data = ["data.workers=2", "data.train_size=2000", "trainer.max_epochs=2"]
    done = sweep("seed=1,2,3", "sweep.n_jobs=2", *data)
    assert done.returncode == 0, done.stderr
    assert [trial["state"] for trial in trials()] == ["finished"] * 3
    assert_nothing_is_left_running()


def test_several_processes_a_trial_need_a_launcher_that_can_start_them():
    done = sweep("seed=1,2", "trainer.devices=2", "hydra/launcher=basic")
    assert done.returncode == 2
    assert done.stderr.startswith("error: trainer.devices=2: with hydra/launcher=basic the further processes")
    assert done.stderr.count("\n") == 1
    assert list(Path().iterdir()) == []


def test_a_mistake_in_one_of_many_is_told_before_anything_heavy_is_imported():
    code = (
        f"import sys, runpy; sys.argv = ['train.py', '-m', 'optimizer.lr=1e-3,1e-2,-1', 'seed=1,2']\n"
        f"try: runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')\n"
        "finally: print([m for m in ('torch', 'lightning', 'wandb', 'numpy', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: optimizer.lr=-1.0: must be a positive number up to 1e6, or null\n"
    assert done.stdout == "[]\n"
    assert list(Path().iterdir()) == []
