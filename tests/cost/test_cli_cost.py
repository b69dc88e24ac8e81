"""`unroll profile` and `unroll gradients`: the words, the files they write, and what is told of a mistake."""

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from unroll.cli import cli
from unroll.cli.profile import _config
from unroll.config.compose import CONF, check, compose
from unroll.cost.memory import kept_bytes, size_of
from unroll.errors import InputError, MissingEnvironmentError
from unroll.trained.open import open_model

SMALL = ("model.hidden_size=4", "data.train_size=20", "data.valid_size=5", "data.test_size=5")


def unroll(*arguments):
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if isinstance(done.exception, InputError | MissingEnvironmentError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_profile_is_a_grid_in_tables_numbers_and_a_picture(tmp_path):
    numbers, picture = tmp_path / "profile.csv", tmp_path / "profile.png"
    sizes = ("--hidden-size", "4,8", "--length", "3,6", "--input-size", 5, "--batch-size", 2)
    files = ("--csv", numbers, "--output", picture)
    output = unroll("profile", "--cell", "rnn:nonlinearity=relu,gru", *sizes, "--repeats", 1, *files)
    assert "batches of 2 × T × 5, on cpu, threads: 1" in output
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = pd.read_csv(numbers)
    assert list(rows["cell"].unique()) == ["rnn:nonlinearity=relu", "gru"]
    gates = rows["cell"].map({"rnn:nonlinearity=relu": 1, "gru": 3})
    size = rows["hidden_size"]
    assert list(rows["operations"]) == list(2 * rows["time"] * gates * size * (5 + size))
    assert len(rows) == 2 * 2 * 2
    for row in rows.to_dict("records"):  # each number that is printed stands in its row of a table
        parts = (f"{row['hidden_size']}", f"{row['time']}", f"{row['forward_ms']:.2f}")
        assert any(all(part in line.split() for part in parts) for line in output.splitlines())


def test_profile_of_every_execution_shows_loop_and_scan(tmp_path):
    output = unroll(
        *("profile", "--cell", "gru,min_gru", "--hidden-size", 4, "--length", 5, "--repeats", 1),
        *("--every-execution", "--csv", tmp_path / "all.csv"),
    )
    rows = pd.read_csv(tmp_path / "all.csv")
    ways = ["gru fused", "gru loop", "min_gru scan", "min_gru loop"]
    assert list(rows["cell"] + " " + rows["execution"]) == ways
    printed = [" ".join(line.split()[:2]) for line in output.splitlines()]
    assert [line for line in printed if line in ways] == ways * 2  # for time, for memory


def test_profile_of_a_model_says_what_an_epoch_takes_and_what_would_save(tmp_path):
    long = ("data.min_length=300", "data.max_length=300", "data.batch_size=10", "trainer.accelerator=cpu")
    model = ("model=many_to_many", *SMALL, *long, "model.hidden_size=32")
    output = unroll("profile", *model, "--csv", tmp_path / "ways.csv")
    rows = pd.read_csv(tmp_path / "ways.csv").set_index("name")
    assert list(rows.index) == ["as configured", "model.checkpoint_steps=-1", "trainer.truncate_steps=30"]
    assert list(rows["steps"]) == [2, 2, 20]  # 20 sequences in batches of 10, one after another or in tenths
    plain = rows.loc["as configured"]
    fresh, data = open_model(*model)
    batch = data.collate(data.splits["train"].samples[:10])
    weights = list(fresh.parameters())
    kept = kept_bytes(lambda: fresh.train().loss(batch), [*weights, batch.inputs, batch.targets])
    assert plain["counted_bytes"] == pytest.approx(
        kept + 4 * size_of(weights), rel=0.01
    )  # Adam keeps two more
    assert plain["memory_bytes"] > 0.9 * plain["counted_bytes"]
    assert (rows["memory_bytes"].iloc[1:] < 0.8 * plain["memory_bytes"]).all()
    assert (rows["epoch_seconds"] > 0).all()
    assert "An epoch takes about" in output
    assert "the run's 1500 epochs take at most" in output  # 3,000 steps, as long as it gets better
    assert "trainer.truncate_steps=30" in output


def test_profile_of_a_run_reads_how_it_was_trained(tmp_path):
    values = check(compose(["model=simple_rnn", "data.batch_size=7"]), CONF)
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump({**values, "ckpt_path": "gone.ckpt"}))
    (run / "checkpoints" / "last.ckpt").touch()
    assert _config((str(run),)) == _config((str(run / "checkpoints" / "last.ckpt"),)) == values
    (run / "config.yaml").write_text("data: [")
    with pytest.raises(InputError, match=r"config\.yaml: cannot be read"):
        unroll("profile", run)


def test_gradients_of_cells_show_that_they_vanish_and_the_cure(tmp_path):
    numbers, picture = tmp_path / "norms.csv", tmp_path / "norms.svg"
    output = unroll("gradients", "--csv", numbers, "--output", picture)
    rows = pd.read_csv(numbers)
    assert len(rows) == 100 * (1 + 1 + 2 + 2)
    norms = {name: group["norm"].to_numpy() for name, group in rows.groupby(["model", "state"])}
    reaching = {name: values[0] / values[-1] for name, values in norms.items()}
    assert reaching["rnn", "h"] < 1e-15
    assert reaching["lstm", "c"] < 1e-9
    assert reaching["lstm:forget_bias=3", "c"] > 0.1
    assert "lstm:forget_bias=3 c" in output
    for name in ("rnn h", "lstm:forget_bias=3 c"):
        assert f"<!-- {name} -->" in picture.read_text()  # the legend says it
    again = tmp_path / "again.csv"
    unroll("gradients", "--csv", again)
    assert again.read_text() == numbers.read_text()
    unroll("gradients", "--csv", again, "--seed", 2, "--overwrite")
    assert again.read_text() != numbers.read_text()


MODELS = {
    "many_to_one": ["backbone.recurrence.cells.0"],
    "many_to_many": ["backbone.recurrence.cells.0"],
    "simple_rnn": ["backbone.recurrence.cells.0"],
    "one_to_many": ["decoder.recurrence.cells.0"],
    "seq2seq": ["decoder.recurrence.cells.0", "encoder.recurrence.cells.0", "encoder.recurrence.cells.1"],
    "seq2seq_continuous": ["encoder.recurrence.cells.0", "decoder.cells.0"],
}


@pytest.mark.parametrize("model", MODELS)
def test_gradients_of_a_model_are_those_of_all_its_cells(model, tmp_path):
    output = unroll("gradients", f"model={model}", *SMALL, "--csv", tmp_path / "norms.csv")
    rows = pd.read_csv(tmp_path / "norms.csv")
    assert list(rows["cell"].unique()) == MODELS[model]
    assert (rows["norm"] > 0).all()  # the batch is of the longest sequences, and none of them is 1e-45 long
    assert "first /" in output


MISTAKES = {
    "--cell grru": "--cell grru: no such cell, did you mean 'gru'",
    "--cell gru,": "--cell : no such cell, choose from",
    "--cell lstm:forget_bais=3": "--cell lstm:forget_bais=3: forget_bais=3: no such key, did you mean",
    "--cell lstm:forget_bias=x": "--cell lstm:forget_bias=x: forget_bias: Value 'x'",
    "--cell lstm:3": "'3' is not a setting; give KEY=VALUE after the colon",
    "--output nodir/x.png": "--output nodir/x.png: no such folder; make it first",
    "--output x.doc": "--output x.doc: unknown suffix '.doc'",
    "--csv x.txt": "--csv x.txt: unknown suffix '.txt'",
    "no/such": "no/such: no such run",
    "model=sqe2seq": "model=sqe2seq: no such choice, did you mean 'seq2seq'",
    "model=seq2seq --cell gru": "--cell: applies only to cells; leave it out, and set up model=seq2seq with",
}


@pytest.mark.parametrize("command", ["profile", "gradients"])
@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_are_told(command, arguments):
    with pytest.raises(InputError) as told:
        unroll(command, *arguments.split())
    assert MISTAKES[arguments] in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("profile --hidden-size 32,x", "--hidden-size 32,x: 'x' is not a whole number of 1 or more"),
        ("profile --length 0,5", "--length 0,5: '0' is not a whole number of 1 or more"),
        ("profile --length ,", "--length ,: '' is not a whole number of 1 or more"),
        ("profile --hidden-size 2²", "'2²' is not a whole number"),
        ("profile model=seq2seq --output x.png", "--output: applies only to cells"),
        ("gradients model=timestep_mlp model.num_layers=0", "no recurrence to look into"),
    ],
)
def test_mistakes_of_one_command_are_told(arguments, told):
    with pytest.raises(InputError) as error:
        unroll(*arguments.split())
    assert told in str(error.value)


@pytest.mark.parametrize("option", ["--length", "--hidden-size", "--seed"])
def test_numbers_out_of_range_are_told(option):
    done = CliRunner().invoke(cli, ["gradients", option, "-1"])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}': -1 is not in the range" in done.output


def test_a_device_that_is_missing_is_told(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(MissingEnvironmentError, match="--device cuda: this machine has no GPU"):
        unroll("profile", "--device", "cuda")
