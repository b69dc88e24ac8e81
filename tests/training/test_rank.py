"""Which process is the first, for every launcher."""

import pytest

from unroll.errors import MissingEnvironmentError
from unroll.training.processes.rank import RANK_VARIABLES, is_first, rank


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for variable in RANK_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "0"}, 0),
        ({"LOCAL_RANK": "1"}, 1),  # Lightning has started it
        ({"RANK": "0", "LOCAL_RANK": "0"}, 0),
        ({"RANK": "2", "LOCAL_RANK": "0"}, 2),  # torchrun, on the second of two nodes
        ({"SLURM_PROCID": "0"}, 0),
        ({"SLURM_PROCID": "3"}, 3),  # srun
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, 1),  # Lightning, in a job of one task
        ({"LOCAL_RANK": "", "SLURM_PROCID": "1"}, 1),
    ],
)
def test_the_number_of_a_process(monkeypatch, environment, number):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert rank() == number
    assert is_first() == (number == 0)


@pytest.mark.parametrize("variable", RANK_VARIABLES)
def test_a_number_that_is_none_is_told(monkeypatch, variable):
    monkeypatch.setenv(variable, "x")
    with pytest.raises(MissingEnvironmentError, match=f"{variable}=x: is not a number"):
        rank()
