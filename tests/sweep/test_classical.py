"""Classical forecasts beside the architectures of a sweep on series."""

import importlib.util
import json

import numpy as np
import pytest
from file_data import data_in, series_table, write
from hydra import initialize_config_dir
from sweeps import commands_of

from unroll.baselines.classical import NAMES, forecast_classically
from unroll.config import compose as root
from unroll.errors import MissingEnvironmentError
from unroll.report.runs import read_runs
from unroll.report.scoreboard.board import Board
from unroll.sweep.classical import add_classical
from unroll.training.run import run

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("statsforecast") is None, reason="needs the package statsforecast"
)
WINDOWS = {"id": "id", "target": "load", "window": 8, "horizon": 3, "season": 4}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A sweep over architectures with one trial, its space, and that of another sweep."""
    place = tmp_path_factory.mktemp("sweep")
    file = write(place, "series.csv", series_table().to_csv(index=False))
    words = ["data=series", f"data.path={file}", *(f"data.{key}={value}" for key, value in WINDOWS.items())]
    words += ["model=many_to_one", "model.hidden_size=4", "debug=fast", "logger=none"]
    root.register()
    with initialize_config_dir(str(root.CONF), version_base="1.3"):
        space, commands = commands_of(*words, axes={"architecture": "gru,tcn"})
        other, _ = commands_of(*words, axes={"seed": "1,2"})
        values = commands.values([*words, "architecture=gru", "run_dir=x"])
    folder = place / "sweep"
    outcome = run({**values, "run_dir": str(folder / "0000")})
    record = {"number": 0, "overrides": [*words, "architecture=gru"], "state": "finished"}
    (folder / "0000" / "trial.json").write_text(json.dumps({**record, "values": outcome["best"]}))
    return folder, space, other, file


def test_without_the_package_one_line_says_how_to_install_it(sweep, monkeypatch, capsys):
    folder, space, _, file = sweep
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    capsys.readouterr()
    add_classical(folder, space)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "pip install statsforecast" in told
    assert not (folder / "classical").exists()
    with pytest.raises(MissingEnvironmentError, match="pip install statsforecast"):
        forecast_classically("AutoETS", data_in(file, "series", **WINDOWS))


def test_a_sweep_that_compares_no_architectures_has_none(sweep, capsys):
    folder, space, other, _ = sweep
    capsys.readouterr()
    add_classical(folder, other)
    add_classical(folder / "nothing", space)
    assert capsys.readouterr() == ("", "")
    assert not (folder / "classical").exists()


@needs_package
def test_forecasts_are_those_of_the_same_windows(sweep):
    """The seasonal naive one is that with which every run is compared."""
    data = data_in(sweep[3], "series", **WINDOWS)
    found = forecast_classically("SeasonalNaive", data)
    windows = len(data.splits["test"])
    assert found.windows == (windows, windows)
    for split in ("valid", "test"):
        assert found.errors[f"{split}/mae"] == pytest.approx(found.errors[f"{split}/seasonal_naive_mae"])
        assert found.errors[f"{split}/mase"] == pytest.approx(found.errors[f"{split}/seasonal_naive_mase"])
    assert np.isfinite(list(forecast_classically("AutoETS", data).errors.values())).all()


@needs_package
@pytest.mark.slow
def test_they_stand_in_the_same_table(sweep, capsys):
    folder, space, *_ = sweep
    add_classical(folder, space)
    assert capsys.readouterr().out.count("classical forecast") == len(NAMES)
    add_classical(folder, space)
    assert capsys.readouterr().out == ""
    board = Board.of(read_runs([folder]))
    (task,) = board.tasks
    assert task.measure == "mae"
    reached = {name: board.cells[task.name, name].ours.mean for name in board.rows([task])}
    assert reached.keys() == {"gru", *NAMES}
    assert all(value > 0 for value in reached.values())
