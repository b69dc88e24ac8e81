"""Every model on its own data, and every data set on a model that fits it: trained, tested, used."""

import csv
import importlib.util
import io
import json
from itertools import groupby
from operator import itemgetter

import pytest
from conftest import ROOT
from file_data import PRESETS, preset_file
from helpers import finite, fitting_model, shipped
from hydra import compose, initialize_config_dir

from unroll.config import compose as root
from unroll.runs.metrics import defined
from unroll.trained.evaluate import evaluate
from unroll.trained.predict import predict
from unroll.training import checkpoints
from unroll.training.processes.rank import RUN_DIR_VARIABLE
from unroll.training.run import run

CONF = ROOT / "conf"
SMALL = {"train_size": 64, "valid_size": 16, "test_size": 16, "test_per_length": 1, "test_max_length": 60}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains two batches in a folder of its own, in this process."""

    def start(*overrides):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv(RUN_DIR_VARIABLE, "")
        root.register()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = compose("train", [*overrides, "debug=fast", "run_dir=run", "model.hidden_size=8"])
            for key, size in SMALL.items():
                if key in composed.data and composed.data.name != "generate":
                    composed.data[key] = size
            if composed.data.name in ("generate", "words"):
                composed.data.train_size = 1000
        return run(root.check(composed, CONF)), tmp_path / "run"

    return start


NEEDS = {"temperature": "vega_datasets", "wheel_series": "vega_datasets", "co2": "statsmodels"}
"""The packages of experiments and data sets that need one beyond those of requirements.lock."""


def require_package(choice):
    """Skip what needs a package that is not there."""
    if choice in NEEDS and importlib.util.find_spec(NEEDS[choice]) is None:
        pytest.skip(f"needs the package {NEEDS[choice]}")


@pytest.mark.parametrize("model", root.choices(CONF, "model"))
def test_every_model_runs_on_its_own_data(model, train):
    outcome, folder = train(f"model={model}")
    assert finite(outcome["test"])
    assert json.loads((folder / "results.json").read_text())["test"] == outcome["test"]
    trained = checkpoints.load(folder)
    _, metrics = evaluate(trained, folder)
    assert metrics.keys() == outcome["test"].keys()


@pytest.mark.parametrize("experiment", root.choices(CONF, "experiment"))
def test_every_experiment_runs(experiment, train):
    require_package(experiment)
    outcome, folder = train(f"experiment={experiment}")
    assert finite(outcome["test"])
    assert (folder / "checkpoints" / "best.ckpt").is_file()


@pytest.mark.parametrize("data", sorted(set(root.choices(CONF, "data")) - set(PRESETS)))
def test_every_data_set_runs_on_a_model_that_fits(data, train):
    if data == "cmudict":
        pytest.skip("test_run trains on it")
    require_package(data)
    outcome, folder = train(f"model={fitting_model(data)}", f"data={data}")
    assert finite(outcome["test"])
    pictures = {path.name for path in folder.glob("*.png")}
    assert "curves.png" in pictures
    if data.startswith("sine") and data != "sine_frequency":
        assert "forecasts.png" in pictures
        assert "test/naive_mae" in outcome["test"]
    if "test/length_accuracy" in outcome["test"]:
        assert {"confusion.png", "accuracy_by_length.png"} <= pictures
        with (folder / "accuracy_by_length.csv").open() as file:
            rows = list(csv.DictReader(file))
        mean = sum(float(row["accuracy"]) for row in rows) / len(rows)
        assert mean == pytest.approx(outcome["test"]["test/length_accuracy"], abs=1e-6)


@pytest.mark.parametrize("data", PRESETS)
def test_files_of_ones_own_are_learned_from_and_predicted_for(data, train, tmp_path):
    model = fitting_model(data)
    file = preset_file(tmp_path, data, shipped(data)["task"])
    given = [f"data.{key}={value}".replace("'", "") for key, value in PRESETS[data].items()]
    if data.startswith("token"):
        given.append("data.min_count=2")  # so that it may be asked for words that it has not seen
    outcome, folder = train(f"model={model}", f"data={data}", f"data.path={file}", *given)
    assert finite(outcome["test"])
    trained = checkpoints.load(folder)
    # debug=fast tests two batches, and there are no more
    assert defined(evaluate(trained, folder)[1]) == pytest.approx(outcome["test"], abs=1e-5)

    if file.suffix == ".tsv":  # inputs alone, one on a line
        inputs = "".join(line.split("\t")[0] + "\n" for line in file.read_text().splitlines())
        file = tmp_path / "inputs.txt"
        file.write_text(inputs)
        written = predict(trained, folder, file=file)
        asked = inputs.splitlines()
        if data in ("token_labels", "token_tags"):
            rows = list(csv.DictReader(io.StringIO(written)))
            told = [" ".join(row["input"] for row in group) for _, group in groupby(rows, itemgetter("line"))]
            assert told == asked
            assert all(
                sum(float(row[f"p({name})"]) for name in trained.spec.target_vocabulary)
                == pytest.approx(1, abs=1e-6)
                for row in rows
            )
        else:
            assert [line.split("\t")[0] for line in written.splitlines()] == asked
        places = [("--text", line) for line in inputs.splitlines()]
        assert predict(trained, folder, lines=places) == written
        return
    rows = list(csv.DictReader(io.StringIO(predict(trained, folder, file=file))))
    with file.open() as source:
        known = list(csv.DictReader(source))
    assert {row["id"] for row in rows} == {row["id"] for row in known}
    if data.startswith("series"):
        by_step, by_series = (
            list(csv.DictReader((folder / name).read_text().splitlines()))
            for name in ("error_by_step.csv", "error_by_series.csv")
        )
        mean = sum(float(row["mae"]) for row in by_step) / len(by_step)
        assert mean == pytest.approx(outcome["test"]["test/mae"], rel=1e-4)
        assert {row["series"] for row in by_series} == {row["id"] for row in known}
        assert (folder / "error_by_step.png").is_file() == (data != "series_one_ahead")
    if data in ("series", "series_seq2seq"):
        assert len(rows) == 2 * 3  # two series, three steps ahead
        if "time" in PRESETS[data]:  # hourly, and 60 of them known
            assert [row["time"] for row in rows[:3]] == [f"2024-01-03 {hour}:00:00" for hour in (12, 13, 14)]
    elif data in ("sequences_steps", "sequences_next", "sequences_next_labels"):
        assert len(rows) == len(known)
    elif data != "series_one_ahead":
        assert len(rows) == len({row["id"] for row in known})
