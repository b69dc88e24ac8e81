"""Sweeps: what is tried and what is not tried again, whatever happens in between."""

import json
import math
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import optuna
import pytest
from sweeps import Calls, commands_of, ran, run_sweep, table, the_sweep, trials, write_results

from unroll.errors import InputError, MissingEnvironmentError
from unroll.runs.folder import RunFolder
from unroll.sweep.sweeper import SweepError
from unroll.sweep.trials import read_record

LR = "optimizer.lr=tag(log,interval(1e-4,1e-1))"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def folder_of(options):
    """The folder of a trial."""
    return Path(options["run_dir"].strip("'"))


def in_a_process(*arguments, train=write_results):
    """Run a sweep in a process of its own; returns its exit code."""
    process = multiprocessing.get_context("fork").Process(
        target=run_sweep, args=arguments, kwargs={"train": train}
    )
    process.start()
    process.join()
    return process.exitcode


def test_a_grid_is_every_combination_and_its_table_is_best_first(capsys):
    run_sweep("model.hidden_size=2,8", "optimizer.lr=1e-3,1e-2,1e-1")
    assert the_sweep().name.startswith("hidden_size_lr-")
    found = [tuple(trial["varied"].values()) for trial in trials()]
    assert found == [(size, lr) for size in ("2", "8") for lr in ("0.001", "0.01", "0.1")]
    assert [trial["number"] for trial in trials()] == list(range(6))
    assert all(trial["state"] == "finished" for trial in trials())
    rows = table()
    assert [row["number"] for row in rows] == ["0004", "0003", "0005", "0001", "0000", "0002"]
    losses = [float(row["valid/loss"]) for row in rows]
    assert losses == sorted(losses)
    assert {row["parameters"] for row in rows} == {"20", "80"}
    assert rows[0]["test/loss"] == "1.0"
    printed = capsys.readouterr().out
    assert "6/6  0005  finished   hidden_size=8 lr=0.1  valid/loss 0.09  2 s" in printed
    assert printed.index("│ 0004") < printed.index("│ 0002")


def test_in_a_file_the_table_is_as_wide_as_it_has_to_be(capsys):
    objectives = "sweep.objectives=[valid/accuracy,valid/loss,parameters,seconds]"
    run_sweep("model.hidden_size=2,8", "optimizer.lr=1e-3,1e-2", "seed=1", objectives)
    head = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("┃ trial"))
    assert len(head) > 80
    names = [name.strip() for name in head.strip("┃").split("┃")]
    assert names[1:7] == [
        "hidden_size",
        "lr",
        "valid/accuracy ↑",
        "valid/loss ↓",
        "parameters ↓",
        "seconds ↓",
    ]


def test_the_same_command_runs_nothing_twice(capsys):
    for arguments in (["seed=1,2", "model=many_to_one"], ["seed=1,2", "model=many_to_one", "sweep.n_jobs=2"]):
        run_sweep(*arguments)
        assert ran() == ["0000", "0001"]
        assert capsys.readouterr().out.count("│ finished │") == 2


def test_values_that_are_added_to_a_named_grid_get_the_next_numbers():
    run_sweep("sweep.name=mine", "seed=3,1")
    run_sweep("sweep.name=mine", "seed=1,2,3,4")
    assert ran() == ["0000", "0001", "0002", "0003"]
    assert [trial["varied"]["seed"] for trial in trials()] == ["3", "1", "2", "4"]
    assert len(table()) == 4


def test_what_failed_runs_again_only_when_asked(capsys):
    def failing(options):
        if options["seed"] == "2":
            raise ArithmeticError
        write_results(options)

    for _ in range(2):
        with pytest.raises(SweepError, match="1 of 3 trials failed: 0001; the reasons stand in"):
            run_sweep("seed=1,2,3", train=failing)
        assert ran() == ["0000", "0002"]
    assert [trial["state"] for trial in trials()] == ["finished", "killed", "finished"]
    run_sweep("seed=1,2,3", "sweep.retry_failed=true")
    assert ran() == ["0000", "0002", "0001"]


class Broken(Calls):
    """Starts one trial, and no other."""

    def launch(self, job_overrides, initial_job_idx):
        super().launch(job_overrides[:1], initial_job_idx)
        raise OSError("sbatch: no such partition")


def test_trials_that_a_launcher_did_not_start_have_not_failed():
    for arguments in (["seed=1,2"], ["sweep=optuna", "sweep.n_trials=2", "sweep.n_jobs=2", LR]):
        with pytest.raises(MissingEnvironmentError, match="trial 0001 was not run: sbatch: no such"):
            run_sweep(*arguments, launcher=Broken(write_results))
        run_sweep(*arguments)
    assert ran() == ["0000", "0001"] * 2


def test_a_trial_that_was_killed_with_its_sweep_goes_on_in_its_folder():
    def dying(options):
        if options["seed"] == "2":
            (folder_of(options) / "checkpoint").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        write_results(options)

    assert in_a_process("seed=1,2,3", train=dying) == -signal.SIGKILL
    assert [trial["state"] for trial in trials()] == ["running", "running", "waiting"]  # it saw no end of any
    run_sweep("seed=1,2,3")
    assert {trial["state"] for trial in trials()} == {"finished"}
    assert ran() == ["0000", "0001", "0002"]
    assert (the_sweep() / "0001" / "checkpoint").exists()


def test_a_trial_whose_sweep_died_before_it_knew_is_finished():
    def dying(options):
        write_results(options)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_process("seed=1", train=dying) == -signal.SIGKILL
    run_sweep("seed=1")
    assert ran() == ["0000"]
    assert trials()[0]["state"] == "finished"
    assert trials()[0]["values"] == {"valid/loss": pytest.approx(0.009 + 4 + 0.001)}


def test_results_are_those_of_their_config(monkeypatch):
    """The name of a sweep stands for its command; a config is more than that."""
    run_sweep("sweep.name=mine", "seed=1,2")
    run_sweep("sweep.name=mine", "seed=1,2", "optimizer.lr=0.5")
    assert ran() == ["0000", "0001", "0002", "0003"]
    assert [row["number"] for row in table()] == ["0002", "0003"]


def test_what_has_finished_is_not_run_again_by_an_unroll_with_more_keys():
    """A config of before has no such key; with another value than its default it would be another trial."""

    def write_config(options):
        folder = folder_of(options)
        _, commands = commands_of()
        values = commands.values([f"{key}={value}" for key, value in options.items()])
        del values["trainer"]["nonfinite"]
        if options["seed"] == "2":
            values["trainer"]["renamed"] = 1
        (folder / "config.yaml").write_text(json.dumps(values))
        record = read_record(RunFolder(folder))
        record.identity = "of before"
        record.write(RunFolder(folder))
        write_results(options)

    for _ in range(2):
        run_sweep("seed=1,2,3", train=write_config)
    assert ran() == ["0000", "0001", "0002", "0003"]
    assert [trial["varied"]["seed"] for trial in trials()] == ["1", "2", "3", "2"]
    run_sweep("seed=1,2,3", "trainer.nonfinite=skip", "sweep.name=" + the_sweep().name)
    assert len(ran()) == 7


def test_the_order_of_words_and_the_number_of_jobs_make_no_other_sweep():
    run_sweep("seed=1,2", "optimizer.lr=0.5")
    run_sweep("optimizer.lr=0.5", "seed=1,2", "sweep.minutes=5", "sweep.n_jobs=3")
    assert len(ran()) == 2
    run_sweep("seed=1,2", "optimizer.lr=0.25")
    assert len(ran()) == 4
    assert len(list(Path("outputs/sweeps").iterdir())) == 2


def test_a_mistake_in_one_trial_is_told_before_any_runs():
    with pytest.raises(InputError, match=r"optimizer\.lr=-3\.0: must be a positive"):
        run_sweep("optimizer.lr=1e-3,1e-2,-3")
    with pytest.raises(InputError, match=r"trainer\.truncate_steps=5: must be null with trainer\.devices=2"):
        run_sweep("trainer.truncate_steps=null,5", "trainer.devices=1,2")
    with pytest.raises(InputError, match=r"model\.dropout=2\.0: must be in"):
        run_sweep("sweep=optuna", "model.dropout=interval(0,2)")
    assert list(Path().iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told():
    with pytest.raises(MissingEnvironmentError, match=r"^/proc/no: No such file .* same command goes on$"):
        run_sweep("seed=1,2", "hydra.sweep.dir=/proc/no")


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
def test_samples_are_of_the_space_and_n_trials_is_the_total(sampler):
    space = [LR, "model.hidden_size=int(interval(2,16))", "model/cell=rnn,gru", "seed=range(1,8,2)"]
    for total in (3, 3, 8):
        run_sweep("sweep=optuna", f"sweep.sampler={sampler}", f"sweep.n_trials={total}", *space)
        assert ran() == [f"{number:04d}" for number in range(total)]
    varied = [trial["varied"] for trial in trials()]
    rates = [float(each["optimizer.lr"]) for each in varied]
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    assert len({math.floor(math.log10(rate)) for rate in rates}) > 1
    assert {int(each["model.hidden_size"]) for each in varied} <= set(range(2, 17))
    assert {each["seed"] for each in varied} <= {"1", "3", "5", "7"}
    assert {each["model/cell"] for each in varied} == {"rnn", "gru"}
    assert len({str(each) for each in varied}) == 8


def test_a_study_in_pieces_tries_what_one_in_one_piece_tries():
    for name, totals in (("pieces", (2, 5, 12)), ("whole", (12,))):
        for total in totals:
            run_sweep("sweep=optuna", f"sweep.name={name}", f"sweep.n_trials={total}", LR)
    pieces, whole = (trials(Path("outputs/sweeps") / name) for name in ("pieces", "whole"))
    assert [trial["varied"] for trial in pieces] == [trial["varied"] for trial in whole]


def test_tpe_comes_nearer_than_chance():
    for sampler in ("tpe", "random"):
        size = "model.hidden_size=int(interval(2,400))"
        run_sweep("sweep=optuna", f"sweep.name={sampler}", f"sweep.sampler={sampler}", size)
    means = []
    for sampler in ("tpe", "random"):
        values = [trial["values"]["valid/loss"] for trial in trials(Path("outputs/sweeps") / sampler)]
        means.append(sum(values[10:]) / len(values[10:]))
    assert means[0] < means[1] / 2


def test_several_objectives_with_directions_of_their_own():
    objectives = "sweep.objectives=[valid/accuracy,parameters,minimize:valid/accuracy_not_known]"
    with pytest.raises(InputError, match=r"sweep\.objectives: valid/accuracy_not_known is not measured, did"):
        run_sweep("sweep=optuna", "sweep.n_trials=2", objectives, LR)
    objectives = "sweep.objectives=[valid/accuracy,parameters]"
    run_sweep("sweep=optuna", "sweep.n_trials=4", "sweep.name=two", objectives, LR)
    folder = Path("outputs/sweeps/two")
    for trial in trials(folder):
        assert trial["directions"] == {"valid/accuracy": "maximize", "parameters": "minimize"}
        assert trial["values"]["parameters"] == 40
    found = [float(row["valid/accuracy"]) for row in table(folder)]
    assert found == sorted(found, reverse=True)
    journal = optuna.storages.journal.JournalFileBackend(str(folder / "study.journal"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(journal))
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [trial.values for trial in study.trials] == [
        list(trial["values"].values()) for trial in trials(folder)
    ]


def test_a_sample_that_goes_together_with_nothing_is_a_failed_trial():
    space = ["trainer.truncate_steps=5,null", "trainer.devices=1,2"]
    with pytest.raises(SweepError):
        run_sweep("sweep=optuna", "sweep.sampler=random", "sweep.n_trials=12", *space)
    states = {tuple(trial["varied"].values()): trial["state"] for trial in trials()}
    assert states.pop(("5", "2")) == "failed"
    assert set(states.values()) == {"finished"}
    assert len(trials()) == 12
    assert any("truncate_steps=5: must be null" in row["reason"] for row in table())


def test_what_failed_in_a_study_counts_and_is_replaced_when_asked():
    def failing(options):
        if options["seed"] == "2":
            raise ArithmeticError
        write_results(options)

    arguments = ["sweep=optuna", "sweep.sampler=random", "sweep.n_trials=6", "seed=1,2"]
    for _ in range(2):
        with pytest.raises(SweepError):
            run_sweep(*arguments, train=failing)
    failed = [trial for trial in trials() if trial["state"] == "killed"]
    assert len(trials()) == 6
    assert 0 < len(failed) < 6
    run_sweep(*arguments, "sweep.retry_failed=true")
    assert len(ran()) == len(table()) == 6
    assert [trial["varied"] for trial in trials()[6:]] == [{"seed": "2"}] * len(failed)
    run_sweep(*arguments, "sweep.retry_failed=true")
    assert len(ran()) == 6


def test_a_trial_of_a_study_whose_owner_died_is_run_again_as_it_was():
    def dying(options):
        if folder_of(options).name == "0002":
            os.kill(os.getpid(), signal.SIGKILL)
        write_results(options)

    arguments = ["sweep=optuna", "sweep.n_trials=4", LR]
    assert in_a_process(*arguments, train=dying) == -signal.SIGKILL
    before = trials()
    assert [trial["state"] for trial in before] == ["finished", "finished", "running"]
    run_sweep(*arguments)
    assert ran() == ["0000", "0001", "0002", "0003"]
    assert trials()[2]["varied"] == before[2]["varied"]


def test_a_trial_whose_end_the_study_was_not_told_is_not_run_again(monkeypatch):
    """Killed between the two: trial.json says that it has finished, the study that it runs."""

    def die(self, record):
        os.kill(os.getpid(), signal.SIGKILL)

    arguments = ["sweep=optuna", "sweep.n_trials=2", LR]
    with monkeypatch.context() as patch:
        patch.setattr("unroll.sweep.search.study.Study._tell", die)
        assert in_a_process(*arguments) == -signal.SIGKILL
    assert [trial["state"] for trial in trials()] == ["finished"]
    run_sweep(*arguments)
    assert ran() == ["0000", "0001"]
    assert len(table()) == 2


def slowly(options):
    """Training that takes its time, so that processes meet."""
    time.sleep(random.random() / 5)
    write_results(options)


def test_two_processes_share_the_trials_of_one_study():
    arguments = ["sweep=optuna", "sweep.n_trials=9", LR]
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=run_sweep, args=arguments, kwargs={"train": slowly}) for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sorted(ran()) == [f"{number:04d}" for number in range(9)]
    assert len({str(trial["varied"]) for trial in trials()}) == 9
    assert {trial["state"] for trial in trials()} == {"finished"}


def test_a_journal_with_a_torn_last_line_is_mended():
    run_sweep("sweep=optuna", "sweep.n_trials=2", LR)
    journal = the_sweep() / "study.journal"
    with journal.open("a") as file:
        file.write('{"op_code":6,"worker_id":"a-torn')
    run_sweep("sweep=optuna", "sweep.n_trials=4", LR)
    assert ran() == ["0000", "0001", "0002", "0003"]
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_a_name_is_that_of_one_sweep():
    run_sweep("sweep=optuna", "sweep.name=mine", "sweep.n_trials=1", LR)
    for arguments, difference in {
        ("sweep=optuna", "seed=int(interval(1,2))"): "another search_space",
        ("sweep=optuna", LR, "sweep.objectives=[seconds]"): "another objectives",
        ("sweep=optuna", LR, "trainer.max_epochs=5"): "another options",
        ("seed=1,2",): "another sampling",
    }.items():
        with pytest.raises(InputError, match=rf"sweep\.name=mine: .* {difference} .* another name$"):
            run_sweep("sweep.name=mine", *arguments)
    run_sweep("sweep=optuna", "sweep.name=mine", "sweep.sampler=random", "sweep.n_trials=2", LR)
    assert len(ran()) == 2


def test_each_sweep_is_a_group_whose_runs_are_named_after_what_varies():
    run_sweep("sweep.name=mine", "optimizer.lr=1e-3,0.25", "model/cell=gru")
    assert "logger.group='mine'" in trials()[0]["overrides"]
    assert "logger.name='lr=0.25'" in trials()[1]["overrides"]
    run_sweep("sweep.name=other", "seed=1,2", "logger.group=theirs", "logger.name=his")
    for trial in trials(Path("outputs/sweeps/other")):
        assert trial["overrides"][-2:] == ["logger.group='theirs'", "logger.name='his'"]
