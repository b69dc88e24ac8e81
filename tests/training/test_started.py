"""What torchrun or srun has started has to be what the run is to have."""

import pytest

from unroll.config.root import TrainerConfig
from unroll.errors import InputError, MissingEnvironmentError
from unroll.training.processes import started as module
from unroll.training.processes.started import require_started, started, told_once

VARIABLES = ("TORCHELASTIC_RUN_ID", "WORLD_SIZE", "GROUP_WORLD_SIZE", "LOCAL_RANK", "SLURM_STEP_NUM_TASKS")


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for variable in (*VARIABLES, "SLURM_STEP_NUM_NODES", "SLURM_LOCALID"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def set_all(monkeypatch):
    def set_all(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return set_all


def torchrun(processes, nodes):
    return {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": processes, "GROUP_WORLD_SIZE": nodes}


def srun(processes, nodes):
    return {"SLURM_STEP_NUM_TASKS": processes, "SLURM_STEP_NUM_NODES": nodes}


def require(devices, nodes=1):
    require_started(TrainerConfig(devices=str(devices), num_nodes=nodes), devices)


def test_one_node_needs_nobody_and_several_do():
    require(2)
    with pytest.raises(MissingEnvironmentError, match=r"trainer\.num_nodes=2: .* started alone; see docs"):
        require(1, nodes=2)


@pytest.mark.parametrize("launcher", [torchrun, srun])
def test_what_fits(launcher, set_all):
    set_all(**launcher(4, 2))
    require(2, nodes=2)
    set_all(**launcher(2, 1))
    require(2)


@pytest.mark.parametrize(
    ("variables", "devices", "nodes", "message"),
    [
        (
            torchrun(2, 1),
            1,
            1,
            "torchrun has started 2 processes on 1 node; give .*=1 trainer.devices=2",
        ),
        (
            torchrun(2, 2),
            1,
            1,
            "torchrun has started 2 processes on 2 nodes; give .*=2 .*=1 .*ddp",
        ),
        (torchrun(2, 2), 2, 2, "torchrun has started 2 processes on 2 nodes; give"),
        (
            torchrun(1, 1),
            2,
            1,
            "torchrun has started 1 process on 1 node; give .*=1 .*devices=1$",
        ),
        (torchrun(3, 2), 2, 2, "torchrun has started 3 processes on 2 nodes; start as many on each node"),
        (srun(2, 1), 1, 1, "trainer.devices=1: srun has started 2 processes on 1 node; give"),
        (srun(2, 2), 2, 1, "trainer.num_nodes=1 .*: srun has started 2 processes on 2 nodes; give"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(variables, devices, nodes, message, set_all):
    set_all(**variables)
    with pytest.raises(MissingEnvironmentError, match=message):
        require(devices, nodes)


def test_a_task_alone_starts_its_others_itself(set_all):
    set_all(**srun(1, 1))
    assert started() is None


def test_what_meets_all_is_told_by_the_first_of_a_node(set_all, monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    for local, kind in ((0, InputError), (1, SystemExit)):
        set_all(**torchrun(4, 2), LOCAL_RANK=local)
        with pytest.raises(kind) as raised, told_once():
            raise InputError("wrong")
        assert getattr(raised.value, "code", 2) == 2


def test_several_nodes_cut_no_batches_along_time():
    with pytest.raises(InputError, match=r"null with trainer\.num_nodes=2"):
        TrainerConfig(num_nodes=2, truncate_steps=4)
