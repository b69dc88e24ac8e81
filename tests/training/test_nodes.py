"""Runs on two nodes, started by torchrun. The nodes are network namespaces of this machine."""

import json
import signal
import subprocess
import time

import kills
import pytest
from commands import train
from conftest import ROOT
from nodes import UNROLL, Agents, two_nodes

SMALL = (
    *("model=many_to_one", "model.hidden_size=8", "data.train_size=96", "data.valid_size=21"),
    *("data.test_size=23", "data.batch_size=8", "trainer.max_epochs=3", "logger=csv", "optimizer=sgd"),
    *("trainer.accelerator=cpu", "run_dir=run"),
)
NODES = ("trainer.num_nodes=2",)
SCRIPT = ROOT / "tests" / "troubled_rank.py"
GO_ON = "`unroll resume run` goes on"


@pytest.fixture(scope="module")
def nodes():
    with two_nodes() as both:
        yield both


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same run in one process: its results."""
    folder = tmp_path_factory.mktemp("alone")
    done = train(*SMALL, "data.batch_size=16", cwd=folder)
    assert done.returncode == 0, done.stderr
    return results(folder)


def results(folder):
    return json.loads((folder / "run" / "results.json").read_text())


def agents(nodes, folder, *words, trouble="none", troubled=1, script=SCRIPT, **options):
    environment = {"TROUBLE": trouble, "TROUBLED_RANK": str(troubled), "SAMPLES": "1"}
    return Agents(nodes, folder, script, *words, environment=environment, **options)


def test_two_nodes_train_as_one_process_does(nodes, alone, tmp_path):
    """Each sample once, one folder, one run on the dashboard, and the metrics of one process."""
    run = agents(nodes, tmp_path, *SMALL, *NODES, "logger=wandb")
    assert run.wait() == [0, 0], run.text()
    found = results(tmp_path)
    assert found["steps"] == alone["steps"] == 18
    assert found["test"] == pytest.approx(alone["test"], rel=1e-3)
    read = [(tmp_path / f"samples{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    for epoch in "012":
        steps = [line.split()[1:] for lines in read for line in lines if line.split()[0] == epoch]
        assert sorted(int(sample) for step in steps for sample in step) == list(range(96))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["outputs", "run"]
    assert len(list((tmp_path / "outputs" / "wandb").glob("offline-run-*"))) == 1
    recorded = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert (recorded["processes"], recorded["nodes"]) == (2, 2)
    assert run.outputs[1].read_text().count("epoch") == 0  # only the first prints


@pytest.mark.slow
def test_what_was_started_and_asked_for_differ(nodes, tmp_path):
    run = agents(nodes, tmp_path, *SMALL, script=ROOT / "train.py", per_node=2)
    assert run.wait() == [1, 1]  # torchrun's own code
    message = (
        "error: trainer.num_nodes=1 trainer.devices=1: torchrun has started 4 processes on 2 nodes; "
        "give trainer.num_nodes=2 trainer.devices=2 trainer.strategy=ddp"
    )
    assert [run.told(node) for node in (0, 1)] == [[message]] * 2
    assert "src/unroll" not in run.text()  # no traceback
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_sweep_is_refused(nodes, tmp_path):
    run = agents(nodes, tmp_path, "-m", *SMALL, "model/cell=rnn,gru", script=ROOT / "train.py")
    assert run.wait() == [1, 1]
    assert all(run.told(node)[0].startswith("error: --multirun: each process") for node in (0, 1))
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_several_processes_of_one_node(tmp_path):
    command = [kills.sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    words = [str(ROOT / "train.py"), *SMALL, "trainer.devices=2"]
    done = subprocess.run(
        [*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert results(tmp_path)["steps"] == 18


@pytest.mark.slow
@pytest.mark.parametrize("troubled", [0, 1, 3])
@pytest.mark.parametrize("trouble", ["kill", "raise", "nan"])
def test_one_that_fails_on_either_node_ends_all(trouble, troubled, nodes, tmp_path):
    """Within seconds; and the run can go on."""
    words = (*SMALL, *NODES, "trainer.devices=2")
    run = agents(nodes, tmp_path, *words, trouble=trouble, troubled=troubled, per_node=2)
    while not (tmp_path / "samples0.txt").exists():
        assert all(process.poll() is None for process in run.processes), run.text()
        time.sleep(0.1)
    assert run.wait(seconds=40) == [1, 1]
    assert run.running() == {}
    lines = [line for node in (0, 1) for line in run.told(node)]
    if trouble == "nan":
        assert len(lines) == 1, run.text()
        assert lines[0].startswith("error: train/loss=nan at step 4, of the training samples ")
    else:
        assert lines, run.text()
        assert all(len(run.told(node)) <= 1 for node in (0, 1)), run.text()
        assert all(GO_ON in line for line in lines)
    assert (trouble == "raise") == ("ValueError: no such luck" in run.text())
    assert not (tmp_path / "run" / "results.json").exists()


@pytest.mark.slow
def test_one_that_waits_for_a_lost_one_does_not_wait_for_ever(nodes, tmp_path):
    run = agents(nodes, tmp_path, *SMALL, *NODES, trouble="hang")
    assert run.wait(seconds=120) == [1, 1]
    (line,) = run.told(0)
    assert line.startswith("error: process 2 of 2 (on ")
    assert GO_ON in line


LONG = (*SMALL, "trainer.max_epochs=40", "model.dropout=0.3", "trainer.log_every=1")


@pytest.fixture(scope="module")
def whole(nodes, tmp_path_factory):
    """A long run that nothing has interrupted: all of its bits."""
    folder = tmp_path_factory.mktemp("whole")
    run = Agents(nodes, folder, ROOT / "train.py", *LONG, *NODES)
    assert run.wait() == [0, 0], run.text()
    return kills.left(folder / "run")


@pytest.mark.slow
@pytest.mark.parametrize("receiver", [0, 1, "agent 0", "agent 1"])
def test_a_signal_to_any_saves_on_all_and_a_rerun_goes_on_to_the_same_bits(receiver, nodes, whole, tmp_path):
    run = Agents(nodes, tmp_path, ROOT / "train.py", *LONG, *NODES)
    run.until("epoch 3/")
    if isinstance(receiver, int):
        run.send(receiver, signal.SIGUSR1)
        name = "SIGUSR1"
    else:
        run.processes[int(receiver[-1])].send_signal(signal.SIGTERM)
        name = "SIGTERM"
    assert all(run.wait(seconds=60)), run.text()
    assert [line.partition(" after")[0] for line in run.told(0)] == [f"stopped by {name}"], run.text()
    assert run.told(1) == []
    assert "exitcode  : 75" in run.text()
    assert run.running() == {}
    again = Agents(nodes, tmp_path, UNROLL, "resume", "run", options=["--no-python"])
    assert again.wait() == [0, 0], again.text()
    assert not kills.differences(whole, kills.left(tmp_path / "run"))


@pytest.mark.slow
def test_torchrun_starts_a_killed_run_again_and_it_goes_on(nodes, whole, tmp_path):
    """In its folder, though the time is another, to the same bits."""
    words = [word for word in LONG if not word.startswith("run_dir")]
    run = Agents(
        nodes, tmp_path, ROOT / "train.py", *words, *NODES, options=["--max-restarts=2"], elastic="again"
    )
    run.until("epoch 3/")
    run.send(1, signal.SIGKILL)
    assert run.wait() == [0, 0], run.text()
    (folder,) = (tmp_path / "outputs" / "many_to_one" / "sine_frequency").iterdir()
    assert "on from step" in (folder / "run.log").read_text()
    assert not kills.differences(whole, kills.left(folder))


@pytest.mark.slow
def test_the_processes_do_not_outlive_their_agent(nodes, tmp_path):
    run = Agents(nodes, tmp_path, ROOT / "train.py", *LONG, *NODES)
    run.until("epoch 3/")
    run.processes[1].kill()
    assert all(run.wait(60))
    end = time.monotonic() + 30
    while run.running():
        assert time.monotonic() < end
        time.sleep(0.2)
    assert run.told(0)[0].startswith("stopped by SIGTERM after step")


@pytest.mark.slow
def test_going_on_with_another_number_of_nodes_is_told(nodes, tmp_path):
    run = Agents(nodes, tmp_path, ROOT / "train.py", *LONG, *NODES)
    run.until("epoch 3/")
    run.send(1)
    run.wait(seconds=60)
    unroll = [UNROLL, "resume", "run"]
    refused = subprocess.run(unroll, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 3
    (line,) = refused.stderr.splitlines()
    assert line.startswith(
        "error: trainer.num_nodes=2: the processes of several nodes are started by torchrun"
    )
    torchrun = [kills.sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python", *unroll]
    done = subprocess.run(torchrun, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:  # it had stopped in the middle of an epoch
        assert "error: trainer.devices × trainer.num_nodes=1: was 2 in the run to go on from" in done.stderr
    else:
        what = "note   processes was 2, is 1, so that a step reads 1 × data.batch_size sequences: the bits"
        assert what in done.stdout
        assert "note   nodes was 2, is 1: the bits may be others" in done.stdout
