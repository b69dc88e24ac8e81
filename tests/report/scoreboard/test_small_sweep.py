"""A sweep of two architectures at two tasks with two seeds, trained for a few steps, and its table."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import pytest
from hydra import compose
from hydra.core.utils import JobReturn
from sweeps import Calls, ran, run_sweep, table

from unroll.config.compose import CONF, check
from unroll.errors import MissingEnvironmentError
from unroll.report.runs import read_runs
from unroll.report.scoreboard.board import Board
from unroll.report.scoreboard.show import after_sweep
from unroll.training.processes.rank import RUN_DIR_VARIABLE
from unroll.training.run import run

WORDS = (
    *("sweep=formal", "task=parity_check,even_pairs", "architecture=gru,tcn", "model.parameters=3000"),
    *("data.train_size=64", "data.valid_size=16", "data.max_length=6"),
    *("data.test_min_length=7", "data.test_max_length=9", "debug=fast", "logger=none"),
)


def train(options: dict[str, str]) -> None:
    """What a trial's process does."""
    folder = Path(options["run_dir"].strip("'"))
    run(check(compose("train", [f"{key}={value}" for key, value in options.items()]), CONF), run_dir=folder)
    with Path("ran.txt").open("a") as file:
        file.write(f"{folder.name}\n")


class StopsAfterThree(Calls):
    """A launcher that ends after three trials, as a machine that is switched off."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        return super().launch(job_overrides[:3], initial_job_idx)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The sweep's folder: it was interrupted once, and later got a second seed."""
    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(RUN_DIR_VARIABLE, "")
        with pytest.raises(MissingEnvironmentError, match="trial 0003 was not run"):
            run_sweep(*WORDS, "seed=1", launcher=StopsAfterThree(train), tiny=())
        run_sweep(*WORDS, "seed=1", train=train, tiny=())
        run_sweep(*WORDS, "seed=1,2", train=train, tiny=())
        assert sorted(ran()) == [f"{number:04d}" for number in range(8)]  # no trial ran twice
    return folder / "outputs" / "sweeps" / "formal"


def test_the_table_is_that_of_the_runs(sweep):
    board = Board.of(read_runs([sweep]))
    assert [task.name for task in board.tasks] == ["parity_check", "even_pairs"]
    assert board.architectures == ["gru", "tcn"]
    rows = table(sweep)
    assert len(rows) == 8
    for (task, architecture), cell in board.cells.items():
        accuracies = [
            100 * float(row["test/accuracy"])
            for row in rows
            if (row["task"], row["architecture"]) == (task, architecture)
        ]
        assert cell.ours.seeds == 2
        assert cell.ours.mean == pytest.approx(fmean(accuracies))
        assert cell.ours.deviation == pytest.approx(stdev(accuracies))


def test_architectures_have_as_many_parameters_and_tell_what_they_cost(sweep):
    board = Board.of(read_runs([sweep]))
    for cell in board.cells.values():
        assert 2200 < cell.mean_of("parameters") <= 3000
        for cost in ("state_size", "test_sequences_per_second", "sequences_per_second"):
            assert cell.mean_of(cost) > 0
        assert cell.mean_of("memory_bytes") >= 0  # a process that has trained before may not grow


def test_the_sweep_ends_with_its_table(sweep, capsys, monkeypatch):
    monkeypatch.chdir(sweep.parents[2])
    capsys.readouterr()
    run_sweep(*WORDS, "seed=1,2", train=train, tiny=(), show_more=after_sweep)
    printed = capsys.readouterr().out
    assert "parity_check %" in printed
    assert "is best, with test/accuracy" in printed
    assert f"unroll report {sweep.relative_to(Path.cwd())}" in printed
    assert len(ran()) == 8


def test_a_sweep_without_architectures_ends_without(sweep, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run_sweep("model.hidden_size=4,8", show_more=after_sweep)
    assert "is best" not in capsys.readouterr().out
