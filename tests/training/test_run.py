"""Whole runs, as a person starts them, a few steps each."""

import csv
import json
import re
import signal
import subprocess
import sys

import pytest
import torch
from commands import train, unroll
from conftest import ROOT

FAST = ["debug=fast", "logger=csv", "data.train_size=300", "run_dir=run", "model.hidden_size=16"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which one run on words was made."""
    folder = tmp_path_factory.mktemp("words")
    arguments = ["data=cmudict", "data.train_size=3000", "debug=fast", "logger=wandb"]
    done = train(*arguments, "run_dir=run", "model.hidden_size=16", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, done.stdout


def test_a_run_leaves_what_it_should_and_nothing_elsewhere(folder):
    folder, stdout = folder
    assert sorted(path.name for path in folder.iterdir()) == ["outputs", "run"]
    assert [path.name for path in (folder / "outputs").iterdir()] == ["wandb"]
    run = folder / "run"
    assert sorted(path.name for path in run.iterdir()) == [
        *("attention.png", "checkpoints", "command.txt", "config.yaml", "curves.png", "environment.json"),
        *("examples.csv", "hidden_states.png", "metrics.csv", "results.json", "run.log", "vocabulary.json"),
    ]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    results = json.loads((run / "results.json").read_text())
    assert {"test/loss", "test/perplexity", "test/exact_match", "test/per", "test/wer"} <= results[
        "test"
    ].keys()
    assert results["steps"] == 2
    assert results["sequences_per_second"] > 0
    assert "data=cmudict" in (run / "command.txt").read_text()
    assert "hidden_size: 16" in (run / "config.yaml").read_text()
    vocabulary = json.loads((run / "vocabulary.json").read_text())
    assert len(vocabulary["target"]) == 39 + 4
    with (run / "metrics.csv").open() as file:
        assert {"train/loss", "valid/per", "test/wer", "step"} <= set(csv.DictReader(file).fieldnames)
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "without stress marks" in stdout
    assert "unroll predict run --text" in stdout
    assert stdout.splitlines()[0] in (run / "run.log").read_text()


def test_checkpoints_hold_nothing_but_plain_values(folder):
    run = folder[0] / "run"
    for file in (run / "checkpoints").iterdir():
        checkpoint = torch.load(file, weights_only=True)
        assert checkpoint["hyper_parameters"]["model"]["name"] == "seq2seq"
        assert checkpoint["datamodule_hyper_parameters"]["data"]["name"] == "words"


def test_the_wandb_run_holds_curves_config_table_and_pictures(folder):
    runs = list((folder[0] / "outputs" / "wandb").glob("offline-run-*"))
    assert len(runs) == 1
    assert re.fullmatch("offline-run-[0-9_]+-run-[0-9a-f]{8}", runs[0].name)  # the run's own is "run"
    media = {path.suffix for path in (runs[0] / "files" / "media").rglob("*") if path.is_file()}
    assert {".json", ".png"} <= media
    record = next(runs[0].glob("*.wandb")).read_bytes()
    for text in (b"valid/per", b"hidden_size", b"test/examples", b"pictures/attention"):
        assert text in record


def test_predict_from_text_file_and_standard_input(folder, tmp_path):
    run = str(folder[0] / "run")
    by_text = unroll("predict", run, "--text", "lightning", "--text", "Unroll")
    assert by_text.returncode == 0, by_text.stderr
    assert [line.split("\t")[0] for line in by_text.stdout.splitlines()] == ["lightning", "Unroll"]
    words = tmp_path / "words.txt"
    words.write_bytes("\ufefflightning\r\nUnroll\r\n".encode())
    by_file = unroll("predict", run, "--input", str(words), "--output", str(tmp_path / "out.tsv"))
    assert by_file.returncode == 0, by_file.stderr
    assert by_file.stdout == ""
    by_stdin = unroll("predict", run, stdin="lightning\nUnroll\n")
    assert by_stdin.stdout == by_text.stdout == (tmp_path / "out.tsv").read_text()


def test_a_checkpoint_file_is_a_run_too(folder):
    run = folder[0] / "run"
    by_folder = unroll("predict", str(run), "--text", "lightning")
    by_file = unroll("predict", str(run / "checkpoints" / "best.ckpt"), "--text", "lightning")
    assert by_folder.stdout == by_file.stdout != ""


def test_evaluate_repeats_the_runs_own_results(tmp_path):
    done = train("data=copy", "data.test_size=50", *FAST, "trainer.limit_test_batches=null", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())["test"]
    evaluated = unroll("evaluate", str(tmp_path / "run"))
    assert evaluated.returncode == 0, evaluated.stderr
    first, *lines = evaluated.stdout.splitlines()
    assert first == "copy, test split, greedy search"
    printed = dict(line.split() for line in lines)
    assert printed == {name: f"{value:.4f}" for name, value in results.items()}
    for options in (["--search", "beam", "--beam-size", "1"], ["--search", "sample", "--top-k", "1"]):
        assert unroll("evaluate", str(tmp_path / "run"), *options).stdout.splitlines()[1:] == lines


def test_bad_lines_of_a_file_are_told_by_number(folder, tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("lightning\n\nunroll 7\n")
    done = unroll("predict", str(folder[0] / "run"), "--input", str(path))
    assert done.stderr.startswith(f"error: {path}:3: ' ', '7': not in the training data")
    path.write_bytes(b"caf\xe9\n")
    done = unroll("predict", str(folder[0] / "run"), "--input", str(path))
    assert done.stderr == f"error: {path}:1: is not UTF-8 text (byte 0xe9); save it as UTF-8\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["optimizer=sgd", "scheduler=linear", "logger=none"],
        [
            "optimizer=adamw",
            "scheduler=plateau",
            "trainer.validate_every=2",
            "trainer.max_epochs=2",
            "early_stopping.patience=1",
            "model/attention=none",
        ],
        ["optimizer=rmsprop", "scheduler=cosine", "model/attention=additive", "trainer.precision=bf16-mixed"],
        [
            "model.teacher_forcing.schedule=inverse_sigmoid",
            "model.teacher_forcing.steps=5",
            "model.search.method=beam",
        ],
        [
            "trainer.accumulate=2",
            "data.workers=2",
            "model.num_layers=2",
            "model.dropout=0.2",
            "model/cell=lstm",
        ],
        ["debug=overfit", "trainer.max_epochs=1", "trainer.validate_every=1"],
        ["debug=profile", "trainer.limit_train_batches=2"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_options_run(arguments, tmp_path):
    done = train(*FAST, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "run" / "metrics.csv").is_file() == ("logger=none" not in arguments)


def last_weights(run):
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint["state_dict"], checkpoint["global_step"]


def test_a_run_that_goes_on_from_a_checkpoint_ends_as_one_that_never_stopped(tmp_path):
    options = [*FAST, "model.dropout=0.3", "model.teacher_forcing.ratio=0.5"]
    going_on = ["ckpt_path=run/checkpoints/last.ckpt", "run_dir=more", "trainer.max_epochs=2"]
    for arguments in (options, [*options, *going_on], [*options, "run_dir=whole", "trainer.max_epochs=2"]):
        done = train(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    (more, steps), (whole, whole_steps) = last_weights(tmp_path / "more"), last_weights(tmp_path / "whole")
    assert steps == whole_steps == 4
    assert all(torch.equal(more[name], whole[name]) for name in whole)
    assert (tmp_path / "more" / "checkpoints" / "best.ckpt").is_file()


def test_last_is_the_last_and_best_the_best(tmp_path):
    """With a learning rate that changes nothing, no epoch is better than the first."""
    done = train(*FAST, "optimizer.lr=1e-30", "trainer.max_epochs=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert last_weights(tmp_path / "run")[1] == 6
    best = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["global_step"] == 2


def test_an_interrupted_run_says_so(tmp_path):
    command = [sys.executable, str(ROOT / "train.py"), "trainer.max_epochs=1000", "logger=csv", "run_dir=run"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores interrupts, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            break
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.startswith("stopped by SIGINT after step ")
    assert stderr.endswith("; `unroll resume run` goes on from there\n")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"WANDB_API_KEY": ""}, "no API key is set"),
        (
            {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"},
            "the server 127.0.0.1 cannot be reached",
        ),
    ],
    ids=["key", "server"],
)
def test_without_a_server_a_run_goes_on_offline_and_says_so(environment, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = train(*FAST, "logger=wandb", "logger.mode=online", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stdout.splitlines() if line.startswith("W&B: offline, since")]
    assert len(notes) == 1
    assert reason in notes[0]
    assert "`wandb sync outputs/wandb/offline-run-" in notes[0]
    assert len(list((tmp_path / "outputs" / "wandb").glob("offline-run-*"))) == 1


def test_a_run_may_end_before_its_first_validation(tmp_path):
    done = train(*FAST, "trainer.max_steps=1", "data.test_size=40", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["steps"] == 1
    assert results["best"] == {}
    assert unroll("predict", str(tmp_path / "run"), "--text", "1 2 3").returncode == 0


def test_two_processes_make_one_run_with_the_weights_and_metrics_of_one(tmp_path):
    """Two batches of 8 are one of 16. A test set of odd size: a metric that averaged batches would differ."""
    lengths = ["data=copy", "data.min_length=6", "data.max_length=6", "data.test_size=101"]
    lengths.append("data.train_size=320")  # batches of exactly 16
    options = [*FAST, *lengths, "optimizer=sgd", "trainer.accelerator=cpu", "trainer.limit_test_batches=null"]
    two = ["run_dir=two", "data.batch_size=8", "trainer.devices=2", "trainer.strategy=ddp"]
    for arguments in ([*options, "data.batch_size=16"], [*options, *two]):
        done = train(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "two"]
    assert done.stdout.count("test sequences, and what the model makes of them") == 1
    (one, steps), (other, other_steps) = last_weights(tmp_path / "run"), last_weights(tmp_path / "two")
    assert steps == other_steps == 2
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight, rtol=1e-3, atol=1e-5)
    results = [json.loads((tmp_path / run / "results.json").read_text()) for run in ("run", "two")]
    first, second = (each["test"] for each in results)
    assert second == pytest.approx(first, rel=1e-4)
    assert [each["baseline"]["test_sequences"] for each in results] == [101, 101]
    assert results[1]["baseline"]["value"] == pytest.approx(results[0]["baseline"]["value"])
