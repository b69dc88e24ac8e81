"""The scoreboard of runs that are made up: means over seeds, marks, missing cells, and the sentence."""

import json
import os

import pytest
from commands import command  # noqa: F401  # a fixture

from unroll.errors import InputError
from unroll.report.comparison import Comparison
from unroll.report.runs import read_runs
from unroll.report.scoreboard import tables
from unroll.report.scoreboard.board import Board
from unroll.report.scoreboard.picture import heat_map
from unroll.report.scoreboard.show import read_board
from unroll.report.scoreboard.verdict import verdict
from unroll.report.sections import sections

COSTS = {
    "parameters": 1000,
    "state_size": 64,
    "sequences_per_second": 500.0,
    "test_sequences_per_second": 2000.0,
    "memory_bytes": 3_000_000,
    "seconds": 12.0,
}


class Runs:
    """Trials in a folder, as a sweep leaves them."""

    def __init__(self, folder):
        self.folder = folder
        self.number = 0

    def add(
        self,
        architecture,
        values,
        *,
        task="parity_check",
        measure="accuracy",
        state="finished",
        best=None,
        **config,
    ):
        """A run for each value, of the seeds 1, 2 …; None is one without a result."""
        for seed, value in enumerate(values, start=1):
            run = self.folder / f"{self.number:04d}"
            run.mkdir(parents=True)
            overrides = [f"architecture={architecture}", f"seed={seed}"]
            overrides.append(f"task={task}" if task else "data=sequences")
            record = {"overrides": overrides, "state": state, "values": {}}
            (run / "config.yaml").write_text(
                json.dumps({"seed": seed, "logger": {"name": str(run)}, **config})
            )
            if value is not None:
                if not task:
                    record |= {"values": {"valid/loss": value}, "directions": {"valid/loss": "minimize"}}
                results = {"test": {f"test/{measure}": value}, "best": best or {}, **COSTS}
                (run / "results.json").write_text(json.dumps(results))
                os.utime(run / "results.json", (self.number, self.number))
            (run / "trial.json").write_text(json.dumps(record))
            self.number += 1

    def board(self):
        return Board.of(read_runs([self.folder]))

    def text(self, architecture, task="parity_check"):
        board = self.board()
        shown = next(each for each in board.tasks if each.name == task)
        return tables.cell_text(board.cells.get((task, architecture)), shown, architecture, board)


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path / "sweep")


def test_a_cell_is_the_mean_over_seeds_beside_the_published(runs):
    runs.add("deltanet_negative", [0.95, 0.97, 0.96])
    assert runs.text("deltanet_negative") == "96.0 ± 1.0 (3) | 97.2 ± 1.7"


@pytest.mark.parametrize(
    ("architecture", "values", "mark"),
    [
        ("lstm", [1.0, 1.0], ""),
        ("lstm", [0.985, 0.985], ""),  # within two points
        ("lstm", [0.9, 0.9], " ≠"),
        ("lstm", [0.9], " ?"),
        ("lstm", [1.0, 0.8], ""),  # within our spread
        ("transformer", [0.9, 0.9], " ≠"),  # better is another result, too
        ("deltanet_negative", [0.94, 0.96], ""),  # 2.2 below 97.2: less than 1.4 + 1.7
        ("deltanet_negative", [0.94, 0.94], " ≠"),
        ("gru", [0.5, 0.5], ""),  # nothing is published
    ],
)
def test_a_mark_where_ours_and_the_published_differ_by_more_than_the_spread(runs, architecture, values, mark):
    runs.add(architecture, values)
    (cell,) = runs.board().cells.values()
    assert tables.ours_text(cell).partition(")")[2] == mark


def test_losses_are_compared_as_a_share_of_chance(runs):
    runs.add("gru", [0.0005, 0.0007], task="adding", measure="loss")
    runs.add("tcn", [0.16, 0.17], task="adding", measure="loss")
    runs.add("mamba2", [0.0167], task="adding", measure="loss")
    assert runs.text("gru", "adding") == "0.0036 ± 0.0008 (2) | 0.00032"
    assert runs.text("tcn", "adding") == "0.99 ± 0.04 (2) ≠ | 0.00035"
    assert runs.text("mamba2", "adding") == "0.1 (1) | –"


def test_the_full_protocol_is_a_column_of_its_own(runs):
    runs.add("lstm", [0.02039], task="copy_memory_full", measure="loss")
    runs.add("lstm", [0.09452], task="copy_memory", measure="loss")
    assert [task.name for task in runs.board().tasks] == ["copy_memory", "copy_memory_full"]
    assert runs.text("lstm", "copy_memory_full") == runs.text("lstm", "copy_memory") == "1 (1) | 1"


def test_a_missing_cell_and_runs_without_a_result(runs):
    runs.add("lstm", [1.0])
    runs.add("rnn", [None], state="failed")
    runs.add("rnn", [None, None], state="waiting")
    runs.add("rnn", [0.2], task="cycle_navigation")
    assert runs.text("rnn") == "1 failed, 2 waiting | –"
    assert runs.text("lstm", "cycle_navigation") == "– | 100.0 ± 0.0"


def test_a_cell_holds_runs_of_one_protocol(runs):
    """Those of the most seeds, and not what was tried beside them; a seed that ran again counts once."""
    runs.add("lstm", [0.5, 0.5], trainer={"max_epochs": 1})
    runs.add("lstm", [0.8, 0.8, 0.8], trainer={"max_epochs": 10})
    runs.add("lstm", [0.9], trainer={"max_epochs": 10})
    runs.add("lstm", [0.1], trainer={"max_epochs": 2})
    board = runs.board()
    (cell,) = board.cells.values()
    assert sorted(run.test["accuracy"] for run in cell.runs) == [0.8, 0.8, 0.9]
    assert cell.left_out == 4
    assert any("4 runs with other settings" in line for line in tables.notes(board, board.tasks))


def test_of_two_protocols_with_as_many_seeds_the_newer_one_counts(runs):
    runs.add("lstm", [0.5, 0.5], trainer={"max_epochs": 1})
    runs.add("lstm", [0.8, 0.8], trainer={"max_epochs": 10})
    (cell,) = runs.board().cells.values()
    assert cell.ours.mean == pytest.approx(80)


def test_of_several_learning_rates_the_one_that_validation_prefers_counts(runs):
    """Not the one that is better in the test, nor the newest; and only of those with the most seeds."""
    for rate, tested, valid in ((1e-3, 0.8, 0.4), (1e-2, 0.7, 0.3), (1e-4, 0.9, 0.5)):
        runs.add(
            "lstm", [tested, tested], optimizer={"lr": rate}, best={"seconds": 9 / valid, "valid/loss": valid}
        )
    runs.add("lstm", [0.6], optimizer={"lr": 0.1}, best={"valid/loss": 0.1})
    board = runs.board()
    (cell,) = board.cells.values()
    assert (cell.ours.mean, cell.ours.seeds, cell.rate, cell.left_out) == (pytest.approx(70), 2, "0.01", 5)
    told = "parity_check: of several learning rates the best by validation: lstm 0.01."
    assert told in list(tables.notes(board, board.tasks))


def test_a_run_outside_a_sweep_counts_by_its_command(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "command.txt").write_text("python train.py task=parity_check architecture=gru 'logger.name=a b'\n")
    (run / "results.json").write_text(json.dumps({"test": {"test/accuracy": 0.75}}))
    (cell,) = Board.of(read_runs([tmp_path])).cells.values()
    assert (cell.task.name, cell.architecture, cell.ours.mean) == ("parity_check", "gru", 75)


def test_runs_without_an_architecture_are_told_what_to_run(tmp_path):
    (tmp_path / "results.json").write_text('{"test": {"test/accuracy": 1.0}}')
    with pytest.raises(InputError, match=r"no run was trained with architecture=…; run python train.py"):
        read_board([tmp_path])


VERDICTS = {
    "clear": (
        {"lstm": [1.0, 0.99], "gru": [0.8, 0.82]},
        "parity_check: lstm is best, with test/accuracy 99.5 ± 0.7 % (2 seeds): better than the next, "
        "gru (81.0 ± 1.4), by more than the spread over seeds.",
    ),
    "unclear": (
        {"lstm": [1.0, 0.8], "gru": [0.8, 0.82], "rnn": [0.5, 0.5]},
        "parity_check: lstm is best, with test/accuracy 90.0 ± 14.1 % (2 seeds), but not by more than the "
        "spread over seeds; as good: gru (81.0 ± 1.4). All others are worse by more than that.",
    ),
    "equal": (
        {"lstm": [1.0, 1.0], "gru": [1.0, 1.0]},
        "parity_check: lstm is best, with test/accuracy 100.0 ± 0.0 % (2 seeds), but not by more than the "
        "spread over seeds; as good: gru (100.0 ± 0.0).",
    ),
    "one seed": (
        {"lstm": [1.0], "gru": [0.8]},
        "parity_check: lstm is best, with test/accuracy 100.0 % (1 seed); with one seed there is no spread "
        "to compare the differences with: add seeds, as seed=1,2,3.",
    ),
    "alone": (
        {"lstm": [1.0, 1.0], "gru": [None]},
        "parity_check: lstm is best, with test/accuracy 100.0 ± 0.0 % (2 seeds); there is no other to "
        "compare it with.",
    ),
    "none": ({"lstm": [None]}, "parity_check: no architecture has a result."),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_a_sentence_says_whether_seeds_alone_could_make_the_difference(runs, case):
    values, sentence = VERDICTS[case]
    for architecture, accuracies in values.items():
        runs.add(architecture, accuracies)
    board = runs.board()
    assert verdict(board, board.tasks[0]) == sentence


def test_own_data_are_judged_by_validation_and_have_costs(runs):
    runs.add("lstm", [0.3, 0.31], task=None, measure="loss")
    runs.add("gru", [0.1, 0.11], task=None, measure="loss")
    board = runs.board()
    (task,) = board.tasks
    assert (task.name, task.table, task.judged_by) == ("sequences", "own data", "valid/loss")
    first, second = tables.below(board, task.table, [task])
    assert first.startswith("sequences: gru is best, with valid/loss 0.1050 ± 0.0071 (2 seeds): better than")
    assert second == (
        "gru takes 1,000 parameters, 64 numbers in the state, 2 ms a sequence to train, 0.5000 ms a sequence "
        "to use, 3 MB to train, 12 seconds in all."
    )
    assert [row[0] for row in tables.costs(board, task).rows] == ["gru", "lstm"]


def test_the_heat_map_runs_from_chance_to_perfect(runs):
    runs.add("lstm", [1.0, 1.0])
    runs.add("rnn", [0.5])
    runs.add("gru", [0.25], task="adding", measure="loss")
    figure = heat_map(runs.board())
    colours = figure.axes[0].images[0].get_array()
    assert colours.filled(-1).tolist() == [[1.0, 0.0, -1.0], [-1.0, -1.0, 0.0]]
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written[:3] == ["100.0\n100.0", "50.0", ""]


def test_the_command_prints_and_draws(runs, command, tmp_path):  # noqa: F811
    runs.add("lstm", [0.9, 0.9])
    runs.add("rnn", [1.0, 1.0])
    picture = tmp_path / "board.png"
    done = command("scoreboard", str(runs.folder), "--costs", "--output", str(picture))
    assert done.returncode == 0
    assert "90.0 ± 0.0 (2) ≠ | 100.0 ± 0.0" in done.stdout
    assert "what they cost: parity_check" in done.stdout
    assert "arXiv:2505.17761" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    done = command("scoreboard", str(runs.folder), "--markdown")
    assert "| lstm | 90.0 ± 0.0 (2) ≠ / 100.0 ± 0.0 |" in done.stdout
    assert "| --- | ---: |" in done.stdout


def test_a_folder_without_architectures_ends_in_one_line(command, tmp_path):  # noqa: F811
    (tmp_path / "results.json").write_text('{"test": {"test/accuracy": 1.0}}')
    done = command("scoreboard", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no run was trained with architecture=…" in done.stderr


def test_the_page_of_a_report_begins_with_the_scoreboard(runs):
    runs.add("lstm", [0.9, 0.9])
    runs.add("rnn", [1.0, 1.0])
    first, *others = sections(Comparison(read_runs([runs.folder])))
    assert first.title == "Scoreboard: formal"
    assert [[cell.text for cell in row] for row in first.table.rows] == [
        ["lstm", "90.0 ± 0.0 (2) ≠ | 100.0 ± 0.0"],
        ["rnn", "100.0 ± 0.0 (2) | –"],
    ]
    assert [row[1].order for row in first.table.rows] == ["90.0", "100.0"]
    assert first.pictures
    assert not any(section.title.startswith("Scoreboard") for section in others)
