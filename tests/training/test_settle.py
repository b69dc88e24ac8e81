"""What a config leaves open becomes numbers once the data are known; what is set stays."""

import pytest
import yaml
from commands import train
from file_data import sequences_table, write

from unroll.config import defaults, root
from unroll.config.compose import CONF, check, compose
from unroll.data.module import build_data
from unroll.training.run import run
from unroll.training.settle import settle

SMALL = ("data=copy", "data.train_size=100", "data.valid_size=20", "data.test_size=20", "data.batch_size=10")


def settled(*overrides):
    values = check(compose([*SMALL, *overrides]), CONF)
    config = root.load(values)
    return settle(values, build_data(config.data, config.seed))


def test_a_number_of_epochs_means_what_it_always_meant():
    values = settled("trainer.max_epochs=7").values
    assert values["trainer"]["max_epochs"] == 7
    assert values["trainer"]["max_minutes"] is None
    assert values["trainer"]["validate_every"] == 1
    assert values["scheduler"] == {"name": "constant", "warmup": 0.0}
    assert values["early_stopping"] == {"patience": None, "min_delta": 0.0}


def test_without_one_a_run_ends_when_it_no_longer_gets_better():
    found = settled()
    trainer = found.config.trainer
    assert trainer.max_epochs * 10 >= defaults.FEWEST_STEPS  # ten steps an epoch
    assert trainer.validate_every == 5
    assert trainer.max_epochs % 5 == 0
    assert trainer.max_minutes == defaults.MOST_MINUTES
    assert trainer.log_every == 50
    assert found.values["scheduler"]["name"] == "plateau"
    assert found.config.early_stopping.patience == defaults.PATIENCE
    again = settle(found.values, build_data(found.config.data, 1))
    assert (again.values, again.chosen) == (found.values, {})


def test_what_is_set_stays():
    set_ = [
        "early_stopping.patience=3",
        "trainer.validate_every=2",
        "scheduler=cosine",
        "trainer.log_every=7",
    ]
    values = settled(*set_, "trainer.max_minutes=5").values
    assert values["early_stopping"]["patience"] == 3
    assert values["scheduler"]["name"] == "cosine"
    assert [values["trainer"][key] for key in ("validate_every", "log_every", "max_minutes")] == [2, 7, 5]


def test_a_number_of_steps_is_a_length_too():
    found = settled("trainer.max_steps=25")
    assert found.config.trainer.max_epochs == 3
    assert found.config.early_stopping.patience is None


@pytest.mark.parametrize("steps", [1, 3, 50, 300, 1000, 1700, 50_000])
def test_validations_come_neither_too_often_nor_too_seldom(steps):
    length = defaults.length(steps)
    least, most = defaults.VALIDATION_STEPS
    assert 0.6 * least <= length.validate_every * steps <= most
    assert length.max_epochs * steps >= 0.9 * defaults.FEWEST_STEPS
    assert length.max_epochs >= defaults.FEWEST_EPOCHS
    assert length.validate_every < 1 or length.max_epochs % length.validate_every == 0


def test_few_steps_have_a_training_loss_in_the_curves_and_the_numbers_stand_in_the_record(tmp_path):
    values = check(compose([*SMALL, "trainer.max_epochs=2", "logger=csv", "model.hidden_size=4"]), CONF)
    values.pop("sweep")
    outcome = run({**values, "run_dir": str(tmp_path / "run")})
    assert "train/loss" in (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    record = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert record["trainer"]["log_every"] == 10
    assert record["scheduler"]["name"] == "constant"
    log = (tmp_path / "run" / "run.log").read_text()
    losses = [line.split("train/loss ")[1].split()[0] for line in log.splitlines() if "train/loss" in line]
    assert len(set(losses)) == 2
    assert "at most 0 s more" in log
    assert outcome["verdict"] in log
    assert f"({outcome['baseline']['name']}: {outcome['baseline']['value']:.4f})" in log


def test_rate_and_batch_follow_from_a_file(tmp_path):
    path = write(tmp_path, "a.csv", sequences_table(100).to_csv(index=False))
    words = ["data=sequences", f"data.path={path}", "data.target=label", "data.features=[x,y]"]

    def found(*overrides):
        values = check(compose([*words, *overrides]), CONF)
        data = build_data(root.load(values).data, 1)
        return settle(values, data), data

    settled, data = found()
    assert settled.values["data"]["batch_size"] == data.batch_size == 16
    assert data.hparams["data"]["batch_size"] == 16  # as in checkpoints
    assert settled.values["optimizer"]["lr"] == defaults.rate(80, "gru") > defaults.USUAL_RATE
    assert settled.chosen.keys() >= {"data.batch_size", "optimizer.lr"}
    settled, data = found("data.batch_size=5", "optimizer.lr=0.1", "model/cell=rnn")
    assert (settled.values["data"]["batch_size"], settled.values["optimizer"]["lr"]) == (5, 0.1)
    assert found("model/cell=attention")[0].values["optimizer"]["lr"] == defaults.USUAL_RATE


def test_dropout_is_for_classes_of_few_texts(tmp_path):
    lines = "".join(f"word{number % 7} and more\t{'ab'[number % 2]}\n" for number in range(100))
    labels = ["data=token_labels", f"data.path={write(tmp_path, 'labels.tsv', lines)}"]
    pairs = ["data=token_pairs", f"data.path={write(tmp_path, 'pairs.tsv', lines)}"]
    table = write(tmp_path, "a.csv", sequences_table(100).to_csv(index=False))
    numbers = ["data=sequences", f"data.path={table}", "data.target=label", "data.features=[x,y]"]

    def found(*words):
        values = check(compose(list(words)), CONF)
        return settle(values, build_data(root.load(values).data, 1)).values["model"]["dropout"]

    assert found(*labels) == defaults.DROPOUT_OF_FEW_TEXTS > 0
    assert found(*labels, "model.dropout=0") == 0
    assert found(*labels, "architecture=transformer") == defaults.DROPOUT_OF_FEW_TEXTS
    assert [found(*pairs), found(*numbers), found("data=majority", "data.train_size=100")] == [0, 0, 0]
    assert defaults.dropout(20_000, texts_with_classes=True) > defaults.dropout(
        20_001, texts_with_classes=True
    )


@pytest.mark.parametrize("order", ["overrides first", "options first"])
def test_the_printed_config_has_the_numbers_that_will_be_used(order, tmp_path):
    text = "".join(f"one word and {number}\t{'ab'[number % 2]}\n" for number in range(100))
    words = ["data=token_labels", f"data.path={write(tmp_path, 'texts.tsv', text)}"]
    done = train(*([*words, "--cfg", "job"] if order == "overrides first" else ["--cfg", "job", *words]))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["model=many_to_one fits these data; choose another one by model=NAME"]
    printed = yaml.safe_load(done.stdout)
    values = check(compose(words), CONF)
    used = settle(values, build_data(root.load(values).data, values["seed"])).values
    for group in ("data", "model", "optimizer", "scheduler", "trainer", "early_stopping"):
        assert printed[group] == used[group]
    assert None not in (
        printed["optimizer"]["lr"],
        printed["trainer"]["max_epochs"],
        printed["model"]["dropout"],
    )
    done = train(*words[:1], "data.path=/nowhere.tsv", "--cfg", "job")
    assert done.returncode == 0, "what cannot be known stays open"
    assert yaml.safe_load(done.stdout)["optimizer"]["lr"] is None


@pytest.mark.parametrize(("sequences", "size"), {1: 16, 240: 16, 700: 32, 1500: 64, 10**6: 64}.items())
def test_batch_size(sequences, size):
    assert defaults.batch_size(sequences) == size
